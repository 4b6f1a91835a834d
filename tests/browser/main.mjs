// Every page of a running server in a real browser. The test that starts this (crates/countersign/tests/it/browser.rs) holds ledger,
// server and keys; this asks it for what a person would type elsewhere. Its first line on stdin is JSON:
//
//   url      where the server is
//   modules  the folder with node_modules
//   shots    a folder for pictures and PDFs
//   pages    [{path, question, people}]: every page, and who of those that can sign in may look, most trusted first
//   auditor  who audits
//   acts     where an auditor's own acts are sent, as regular expressions
//
// Lines that begin with `ask ` are requests to the test, each answered by a line of JSON. Whatever is wrong is said; then it ends with 1.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { answers, ask, first } from './asking.mjs';
import { auditors, guarded, keyboard, launched, looks, narrow, printed, problems, say, withoutScript } from './checks.mjs';
import { live, restarted, verified } from './live.mjs';

const LONGEST = 10 * 60 * 1000;
setTimeout(() => {
  console.log(`problem: it took longer than ${LONGEST / 60000} minutes`);
  process.exit(1);
}, LONGEST).unref();

const told = await first();
const load = createRequire(join(told.modules, 'package.json'));
const { chromium } = load('playwright-core');
const axe = load('axe-core').source;
mkdirSync(told.shots, { recursive: true });

const browser = await launched(chromium);
say(`Chromium ${browser.version()}, axe-core ${load('axe-core').version}`);

const wide = { viewport: { width: 1280, height: 900 } };

/** Somebody's browser, signed in by a link and its button; everything that it says is a problem. */
const signedIn = async (person, options = {}) => {
  const context = await guarded(await browser.newContext({ ...wide, ...options }), told.url);
  const page = await context.newPage();
  const { link } = await ask({ do: 'link', person });
  await page.goto(link);
  if ((await context.cookies()).length) problems.push('opening a link signed somebody in before its button was pressed');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${told.url}/`);
  const name = await page.locator('.who strong').innerText();
  if (name.toLowerCase() !== person) problems.push(`the link of ${person} signed ${name} in`);
  await page.close();
  return { context };
};

/** The same visit in another kind of browser. */
const also = async (context, options) =>
  guarded(await browser.newContext({ ...wide, ...options, storageState: await context.storageState() }), told.url);

/** An address for every page: those with a part that differs are found as people find them, by links on other pages. */
const addresses = async (visits) => {
  const found = new Map();
  const patterns = told.pages.map(({ path }) => [
    path,
    new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/?#]+')}$`),
  ]);
  const fixed = new Set(told.pages.map(({ path }) => path).filter((path) => !path.includes('{')));
  for (const path of fixed) found.set(path, path);
  for (const { path, people } of told.pages) if (!people.length) problems.push(`nobody in this test may look at ${path}`);
  const asked = new Set();
  for (let more = true; more;) {
    more = false;
    for (const { path, people } of told.pages) {
      const address = found.get(path);
      if (!address || asked.has(path) || !people.length) continue;
      asked.add(path);
      more = true;
      const page = await visits[people[0]].context.newPage();
      await page.goto(told.url + address);
      const links = await page.locator('a[href^="/"]').evaluateAll((all) => all.map((a) => new URL(a.href).pathname));
      await page.close();
      for (const link of links) {
        const hit = patterns.find(([, pattern]) => pattern.test(link));
        if (hit && !fixed.has(link) && !found.has(hit[0])) found.set(hit[0], link);
      }
    }
  }
  for (const { path } of told.pages) {
    if (!found.has(path)) problems.push(`no page links to ${path}: the world in browser.rs needs what it shows, or a page the link`);
  }
  return told.pages.filter(({ path, people }) => found.has(path) && people.length)
    .map((page) => ({ ...page, address: found.get(page.path) }));
};

const begun = Date.now();
const visits = {};
for (const person of new Set([...told.pages.map(({ people }) => people[0]), told.auditor].filter(Boolean))) {
  visits[person] = await signedIn(person);
}
const pages = await addresses(visits);
const per = async (name, options, check) => {
  const at = Date.now();
  const contexts = {};
  for (const page of pages) {
    const [person] = page.people;
    contexts[person] ??= await also(visits[person].context, options);
    await check(contexts[person], told, page, { axe, name, visit: visits[person].context });
  }
  for (const context of Object.values(contexts)) await context.close();
  say(`${name}: ${pages.length} pages in ${((Date.now() - at) / 1000).toFixed(1)} s`);
};
await per('light', { colorScheme: 'light' }, looks);
await per('dark', { colorScheme: 'dark' }, looks);
await per('narrow', { viewport: { width: 375, height: 800 } }, narrow);
await per('print', { viewport: { width: 680, height: 970 } }, printed);
await per('no script', { javaScriptEnabled: false }, withoutScript);
await per('keyboard', {}, keyboard);
await auditors(visits[told.auditor].context, told, pages, { axe });
const [person] = pages[0].people;
// What is open while the server is away would say so.
for (const { context } of Object.values(visits)) for (const page of context.pages()) await page.close();
await live(await also(visits[person].context, {}), told);
await verified(await also(visits[person].context, {}), await also(visits[told.auditor].context, {}), told);
await restarted(browser, visits[person].context, told, person, signedIn);
await browser.close();
say(`in all ${((Date.now() - begun) / 1000).toFixed(1)} s`);
for (const problem of new Set(problems)) console.log(`problem: ${problem}`);
answers.close();
process.exitCode = problems.length ? 1 : 0;
