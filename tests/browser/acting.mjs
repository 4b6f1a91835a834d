// What people sign with a passkey in a real browser beside approvals. The test that starts this (crates/countersign/tests/it/browser.rs)
// holds ledger, server and keys; its first line on stdin is JSON:
//
//   url      where the server is: http://localhost:PORT, for which a browser makes passkeys
//   modules  the folder with node_modules
//   shots    a folder for pictures
//   reject   the page on which `person` says no to a run
//   person   who
//
// Lines that begin with `ask ` are requests to the test, each answered by a line of JSON. Whatever is wrong is said; then it ends with 1.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { answers, ask, first } from './asking.mjs';
import { accessible, guarded, launched, problems, say } from './checks.mjs';

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
const shot = (page, name) => page.screenshot({ path: join(told.shots, `${name}.png`), fullPage: true });

/** Somebody signed in by a link, in a browser that makes and keeps passkeys. */
const signedIn = async (person) => {
  const context = await guarded(await browser.newContext({ viewport: { width: 1280, height: 900 } }), told.url);
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const { link } = await ask({ do: 'link', person });
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${told.url}/`);
  return page;
};

/** A passkey of theirs, enrolled as the command line does it. */
const enrolled = async (page, person) => {
  const { request } = await ask({ do: 'request', person });
  const made = await page.evaluate(async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({ publicKey })).toJSON();
  }, request.publicKey);
  await ask({ do: 'enrol', person, made });
};

/** Signs what a page shows, by keyboard, and waits for the page that it leads to. */
const sign = async (page, path) => {
  await page.locator('form[data-passkey] button').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(told.url + path);
};

/** Looks at a page that shows what would be signed. */
const prepared = async (page, path, name) => {
  await page.waitForURL((url) => url.pathname === path && url.searchParams.has('prepared'));
  await accessible(page, axe, `what is signed: ${name}`);
  await page.locator('summary').click();
  if (!await page.locator('pre.raw').isVisible()) problems.push(`${name}: the statement is not shown byte for byte`);
  await shot(page, name);
};

const page = await signedIn(told.person);
await enrolled(page, told.person);

// Saying no: a reason, then exactly what is signed, all of it by keyboard.
await page.goto(told.url + told.reject);
await accessible(page, axe, 'a reason to reject');
await page.getByLabel('Why, in one line').focus();
await page.keyboard.type('the ticket is of another change');
await page.keyboard.press('Enter');
await prepared(page, told.reject, 'reject');
await sign(page, told.reject.replace('/reject', ''));
await ask({ do: 'rejected' });
say('rejected with a passkey');

await browser.close();
say(`in all ${((Date.now() - begun) / 1000).toFixed(1)} s`);
for (const problem of new Set(problems)) console.log(`problem: ${problem}`);
answers.close();
process.exitCode = problems.length ? 1 : 0;
