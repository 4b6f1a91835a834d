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

/** A passkey that the page makes, by keyboard. */
const made = async (page, person) => {
  await page.goto(`${told.url}/passkeys`);
  await accessible(page, axe, 'making a passkey');
  await page.locator('form[data-passkey] button').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === '/passkeys' && url.searchParams.has('made'));
  await accessible(page, axe, 'a passkey that was made');
  await shot(page, `made-${person}`);
};

/** What stands in a box of a page that scrolls. */
const boxed = (page, name) => page.getByRole('region', { name, exact: true }).locator('code').textContent();

/** A passkey that the page makes, and that an administrator enrols with the commands that the page says. */
const enrolled = async (page, person) => {
  await made(page, person);
  await ask({ do: 'enrol', person, commands: await boxed(page, 'Commands') });
  await page.goto(`${told.url}/passkeys`);
  if (await page.locator('tbody tr').count() !== 1) problems.push(`the passkey of ${person} is not in their list`);
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

// Taking it back, from the run's page.
const run = told.reject.replace('/reject', '');
await page.getByRole('link', { name: 'Take back what you said' }).focus();
await page.keyboard.press('Enter');
await page.waitForURL(`${told.url}${run}/withdraw`);
await accessible(page, axe, 'a reason to take back');
await page.getByLabel('Why, in one line').focus();
await page.keyboard.type('it was the right ticket');
await page.keyboard.press('Enter');
await prepared(page, `${run}/withdraw`, 'withdraw');
await sign(page, run);
await ask({ do: 'withdrawn' });
say('taken back with a passkey');

// A request for evidence, its answer, and its end: three signatures in two browsers.
const { ask: asking, answer } = await ask({ do: 'audit' });
const [auditor, officer] = [await signedIn('olga'), await signedIn('ruth')];
await enrolled(auditor, 'olga');
await enrolled(officer, 'ruth');
const audit = asking.replace('/ask', '');
await auditor.goto(`${told.url}${asking}?control=dual-approval`);
await accessible(auditor, axe, 'a request for evidence with a passkey');
await auditor.getByLabel('What you need').fill('Who signed release 7?\nPlease show the ticket.');
await auditor.getByLabel('What you need').press('Tab');
await auditor.getByRole('button', { name: 'Show what I would sign' }).focus();
await auditor.keyboard.press('Enter');
await prepared(auditor, asking, 'request');
/** Signs, and waits for the audit's page. */
const signs = async (page) => {
  await page.locator('form[data-passkey] button').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === audit);
};
await signs(auditor);
await officer.goto(told.url + audit);
await officer.getByRole('link', { name: 'Answer it' }).click();
await officer.waitForURL((url) => url.pathname === answer);
await accessible(officer, axe, 'an answer with a passkey');
await officer.getByLabel('Your answer').fill('Dan did; the ticket is CHG-1.');
await officer.getByRole('button', { name: 'Show what I would sign' }).click();
await prepared(officer, answer, 'answer');
await signs(officer);
await auditor.goto(told.url + audit);
await auditor.getByRole('link', { name: 'Ask on, or close it' }).click();
await accessible(auditor, axe, 'asking on');
await auditor.getByRole('button', { name: 'Close it' }).click();
await prepared(auditor, asking, 'close');
await signs(auditor);
await accessible(auditor, axe, 'an audit after its request was closed');
await ask({ do: 'closed' });
say('asked, answered and closed with passkeys');

// The audit has nothing left that waits: the officer closes it. Whoever looks through it is shown nothing more, an open page neither.
await auditor.close();
await officer.goto(told.url + audit);
await officer.getByRole('link', { name: 'Close the audit' }).focus();
await officer.keyboard.press('Enter');
await officer.waitForURL(`${told.url}${audit}/close`);
await accessible(officer, axe, 'an audit to close');
await officer.getByRole('button', { name: 'Show what I would sign' }).focus();
await officer.keyboard.press('Enter');
await prepared(officer, `${audit}/close`, 'close-audit');
await sign(officer, audit);
await ask({ do: 'audit closed' });
say('closed an audit with a passkey');

// A waiver that somebody asked for: what waits for the officer leads to it, and they grant it, all of it by keyboard.
const { waiver } = await ask({ do: 'waiver' });
await officer.goto(told.url);
await officer.locator(`.needs a[href="${waiver}"]`).focus();
await officer.keyboard.press('Enter');
await officer.waitForURL(told.url + waiver);
await accessible(officer, axe, 'a waiver to decide about');
await officer.getByRole('radio', { name: 'Grant it' }).focus();
await officer.keyboard.press('Space');
await officer.keyboard.press('Tab');
await officer.keyboard.type('agreed in the risk committee');
await officer.keyboard.press('Enter');
await prepared(officer, waiver, 'waiver');
await sign(officer, waiver);
await accessible(officer, axe, 'a waiver that was granted');
await shot(officer, 'waiver-granted');
await ask({ do: 'granted' });
say('granted with a passkey');

// An administrator enrols somebody's passkey with their own, all of it by keyboard.
const [administrator, newcomer] = [await signedIn('ada'), await signedIn('mia')];
await enrolled(administrator, 'ada');
await made(newcomer, 'mia');
const pasted = await boxed(newcomer, 'What is pasted');
await administrator.getByRole('link', { name: "Enrol somebody's passkey" }).focus();
await administrator.keyboard.press('Enter');
await administrator.waitForURL(`${told.url}/passkeys/enrol`);
await accessible(administrator, axe, 'enrolling a passkey');
await shot(administrator, 'enrol-paste');
await administrator.getByLabel('What their page shows').focus();
await administrator.keyboard.insertText(pasted);
await administrator.keyboard.press('Tab');
await administrator.keyboard.type('a new laptop');
await administrator.keyboard.press('Enter');
await prepared(administrator, '/passkeys/enrol', 'enrol');
await administrator.locator('form[data-passkey] button').focus();
await administrator.keyboard.press('Enter');
await administrator.waitForURL((url) => url.pathname === '/passkeys/enrol' && url.searchParams.has('key'));
await accessible(administrator, axe, 'a passkey that was enrolled');
await shot(administrator, 'enrolled');
await newcomer.goto(`${told.url}/passkeys`);
if (await newcomer.locator('tbody tr').count() !== 1) problems.push('the passkey that was enrolled is not in their list');
await ask({ do: 'passkey enrolled' });
say('enrolled a passkey with a passkey');

await browser.close();
say(`in all ${((Date.now() - begun) / 1000).toFixed(1)} s`);
for (const problem of new Set(problems)) console.log(`problem: ${problem}`);
answers.close();
process.exitCode = problems.length ? 1 : 0;
