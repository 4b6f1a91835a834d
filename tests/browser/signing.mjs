// Signing in and approving in a real browser. The test that starts this (crates/countersign/tests/it/browser.rs) holds ledger, server,
// provider and keys; its first line on stdin is JSON:
//
//   url       where the server is: http://localhost:PORT, for which a browser makes passkeys
//   modules   the folder with node_modules
//   shots     a folder for pictures
//   provider  where the OpenID provider is
//   subject   an account there, of
//   person    whoever has it, and gets a passkey
//
// Lines that begin with `ask ` are requests to the test, each answered by a line of JSON. Whatever is wrong is said; then it ends with 1.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { answers, ask, first } from './asking.mjs';
import { accessible, launched, problems, say } from './checks.mjs';

const LONGEST = 3 * 60 * 1000;
setTimeout(() => {
  console.log(`problem: it took longer than ${LONGEST / 60000} minutes`);
  process.exit(1);
}, LONGEST).unref();

const told = await first();
const load = createRequire(join(told.modules, 'package.json'));
const axe = load('axe-core').source;
mkdirSync(told.shots, { recursive: true });
const browser = await launched(load('playwright-core').chromium);
const begun = Date.now();

/** A browser in which everything that is said, and every request to somewhere else than server and provider, is a problem. */
const visitor = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const known = [told.url, told.provider].map((url) => new URL(url).origin);
  context.on('console', (message) => {
    // A page that says no is answered so, and Chromium says that too.
    if (message.text().includes('status of 403') && message.location().url.includes('/sign-in/oidc/callback')) return;
    // What is asked for to enrol takes ES256 alone, on purpose; it is asked here, and by no page.
    if (message.text().includes('pubKeyCredParams')) return;
    problems.push(`${message.page()?.url()} said ${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => problems.push(`error in ${error.page()?.url()}: ${error.error().message}`));
  context.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'data:' && !known.includes(origin)) problems.push(`a request went to ${request.url()}`);
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => {
      console.error(`the policy of content stopped ${e.blockedURI} (${e.violatedDirective})`);
    });
  });
  return context;
};

const named = async (page) => (await page.locator('.who strong').innerText()).toLowerCase();
const shot = (page, name) => page.screenshot({ path: join(told.shots, `${name}.png`), fullPage: true });

// At the provider, by a link on the page and back to the posture.
for (const colorScheme of ['light', 'dark']) {
  const context = await visitor({ colorScheme });
  const page = await context.newPage();
  await page.goto(`${told.url}/sign-in`);
  await accessible(page, axe, `${colorScheme} /sign-in`);
  await shot(page, `sign-in-${colorScheme}`);
  await page.getByRole('link', { name: /^Sign in at / }).click();
  await page.waitForURL(`${told.provider}/interaction/**`);
  await page.getByLabel('Account').fill(told.subject);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(`${told.url}/`);
  if (await named(page) !== told.person) problems.push(`the account of ${told.person} signed ${await named(page)} in`);
  if (await page.locator('h1').innerText() !== 'Posture') problems.push('signing in does not end at the posture');
  const cookies = (await context.cookies(told.url)).map(({ name, httpOnly, sameSite }) => `${name} ${httpOnly} ${sameSite}`);
  if (cookies.join() !== 'countersign true Lax') problems.push(`the cookies are ${cookies.join()}`);
  // An answer that belongs to nothing is said so, on a page as every other.
  const wrong = await page.goto(`${told.url}/sign-in/oidc/callback?state=x&code=y`);
  if (wrong.status() !== 403) problems.push(`an answer without a sign-in was answered ${wrong.status()}`);
  await accessible(page, axe, `${colorScheme} an answer that is refused`);
  await shot(page, `refused-${colorScheme}`);
  await page.goto(told.url);
  if (await named(page) !== told.person) problems.push('an answer that is refused ended a visit');
  await context.close();
  say(`${colorScheme}: signed in at the provider`);
}

// A passkey that the browser makes, signs in and approves with.
const context = await visitor();
const page = await context.newPage();
const devtools = await context.newCDPSession(page);
await devtools.send('WebAuthn.enable');
await devtools.send('WebAuthn.addVirtualAuthenticator', {
  options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  },
});
await page.goto(`${told.url}/sign-in`);
const { request } = await ask({ do: 'request' });
const made = await page.evaluate(async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
}, request.publicKey);
const { page: approval } = await ask({ do: 'enrol', made });
await page.goto(`${told.url}/sign-in`);
await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
await page.waitForURL(`${told.url}/`);
if (await named(page) !== told.person) problems.push(`the passkey of ${told.person} signed ${await named(page)} in`);
await page.goto(`${told.url}/approvals`);
await page.locator(`main a[href="${approval}"]`).first().click();
await page.waitForURL(told.url + approval);
await accessible(page, axe, 'an approval with a passkey');
await shot(page, 'approval');
await page.locator('form[data-passkey] button').click();
await page.waitForURL((url) => url.pathname !== approval);
await accessible(page, axe, 'after an approval');
await shot(page, 'approved');
await ask({ do: 'approved' });
say('signed in and approved with a passkey');
await browser.close();
say(`in all ${((Date.now() - begun) / 1000).toFixed(1)} s`);
for (const problem of new Set(problems)) console.log(`problem: ${problem}`);
answers.close();
process.exitCode = problems.length ? 1 : 0;
