// What holds for every page. Each check says all that is wrong and goes on.
import { accessSync, constants, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Everything that is wrong. */
export const problems = [];

/** Tells the reader of the test's output something. */
export const say = (text) => console.log(`  ${text}`);

/** Debian's Chromium. The only pages that it ever opens are of this machine, and its sandbox does not start for root. */
export const launched = (chromium) => {
  const executablePath = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'chromium')).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
};

const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** Bytes that may be transferred until a page is there, for a browser that was never here. */
const MOST = 100_000;
const NARROW = 375;

const picture = (told, name, { path }) => join(told.shots, `${name.replace(' ', '-')}${path.replace(/[^a-z0-9]+/g, '_')}`);

/** Whatever a browser says, or asks elsewhere, is a problem. */
export const guarded = async (context, url) => {
  const origin = new URL(url).origin;
  context.on('console', (message) => {
    // Passkeys are of one algorithm here, on purpose.
    if (message.text().includes('pubKeyCredParams')) return;
    problems.push(`${message.page()?.url()} said ${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => problems.push(`error in ${error.page()?.url()}: ${error.error().message}`));
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) problems.push(`a request went to ${request.url()}`);
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => {
      console.error(`the policy of content stopped ${e.blockedURI} (${e.violatedDirective})`);
    });
  });
  return context;
};

/** The one window of a context: a new one a page would take longer than what is looked at. */
const windowOf = async (context) => context.pages()[0] ?? context.newPage();

/** Opens a page; it is there and answers the question that it should. */
export const open = async (context, told, { address, question }) => {
  const page = await windowOf(context);
  const answer = await page.goto(told.url + address);
  if (answer.status() !== 200) problems.push(`${address} answered ${answer.status()}`);
  if (question && !(await page.locator('main').innerText()).includes(question)) problems.push(`${address} does not ask its question`);
  return page;
};

/** Runs axe-core; the policy of content does not stop it, since it is not the page that brings it. */
export const accessible = async (page, axe, where) => {
  await page.evaluate(axe);
  const found = await page.evaluate(
    (standards) => globalThis.axe.run(document, { runOnly: standards, resultTypes: ['violations'] }), STANDARDS);
  for (const { id, help, nodes } of found.violations) {
    for (const node of nodes.slice(0, 5)) {
      const why = [...node.any, ...node.all, ...node.none].map(({ message }) => message).join('; ');
      problems.push(`axe ${where}: ${id}: ${help}: ${node.target.join(' ')}: ${why}`);
    }
  }
  return found.violations.length;
};

/** Accessible, small, and pictured. */
export const looks = async (context, told, room, { axe, name }) => {
  const page = await windowOf(context);
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
  const answer = await page.goto(told.url + room.address);
  if (answer.status() !== 200) problems.push(`${room.address} answered ${answer.status()}`);
  await page.locator('#live', { hasText: 'Live' }).waitFor();
  if (bytes === 0 || bytes > MOST) problems.push(`${room.address} takes ${bytes} bytes, and ${MOST} are the most`);
  if (name === 'light') say(`${room.path}: ${(bytes / 1000).toFixed(1)} kB`);
  await page.screenshot({ path: `${picture(told, name, room)}.png`, fullPage: true });
  await accessible(page, axe, `${name} ${room.path}`);
  await devtools.detach();
};

/** Nothing is wider than a telephone but what scrolls by itself. */
export const narrow = async (context, told, room, { axe, name }) => {
  const page = await open(context, told, room);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > NARROW) {
    const who = await page.evaluate((most) => [...document.querySelectorAll('main *')]
      .filter((e) => e.getBoundingClientRect().right > most && !e.closest('.scroll, pre'))
      .slice(0, 3).map((e) => `${e.tagName.toLowerCase()}.${e.className}`).join(', '), NARROW);
    problems.push(`${room.address} is ${wide} px wide in a window of ${NARROW}: ${who}`);
  }
  await page.screenshot({ path: `${picture(told, name, room)}.png`, fullPage: true });
  await accessible(page, axe, `${name} ${room.path}`);
};

/** On paper there is the content, and nothing to press. */
export const printed = async (context, told, room, { name }) => {
  const page = await open(context, told, room);
  await page.emulateMedia({ media: 'print' });
  const seen = await page.evaluate(() => [...document.querySelectorAll('nav, button, input, select, textarea, .skip, .side')]
    .filter((e) => e.checkVisibility()).map((e) => `${e.tagName.toLowerCase()}.${e.className}`));
  if (seen.length) problems.push(`${room.address} prints ${seen.join(', ')}`);
  if (!await page.locator('h1').isVisible()) problems.push(`${room.address} prints no heading`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('main *')]
    .filter((e) => !e.closest('.hidden') && (e.getBoundingClientRect().right > innerWidth
      || (e.scrollHeight > e.clientHeight + 1 && getComputedStyle(e).overflowY !== 'visible')))
    .slice(0, 3).map((e) => `${e.tagName.toLowerCase()}.${e.className}`));
  if (cut.length) problems.push(`${room.address} cuts off on paper: ${cut.join(', ')}`);
  await page.screenshot({ path: `${picture(told, name, room)}.png`, fullPage: true });
  const paper = await page.pdf({ format: 'A4', margin: { top: '15mm', bottom: '15mm', left: '15mm', right: '15mm' } });
  const text = paper.toString('latin1');
  const sheets = (text.match(/\/Type\s*\/Page\b/g) ?? []).length;
  if (!text.startsWith('%PDF-') || sheets === 0 || !text.includes('/Font')) problems.push(`${room.address} prints nothing`);
  writeFileSync(`${picture(told, name, room)}.pdf`, paper);
};

/** What is in the page; the present moment is another at each look. */
const content = (page) => page.locator('#content').evaluate((e) => e.textContent.replace(/\s+/g, ' ').trim()
  .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '(time)'));

/** Where two texts part. */
const parting = (one, other) => {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return `"${one.slice(at - 40, at + 40)}" and "${other.slice(at - 40, at + 40)}"`;
};

/** The page is whole without a script. */
export const withoutScript = async (context, told, room, { visit: scripted }) => {
  const page = await open(context, told, room);
  if (await page.locator('#live').textContent()) problems.push(`${room.address} ran a script that was forbidden`);
  let plain = await content(page);
  const other = await windowOf(scripted);
  await other.goto(told.url + room.address);
  await other.locator('#live', { hasText: 'Live' }).waitFor();
  // Something may have come between the two.
  let same = await content(other) === plain;
  for (let n = 0; n < 3 && !same; n += 1) {
    await page.reload();
    await other.reload();
    plain = await content(page);
    same = await content(other) === plain;
  }
  if (!plain || !same) problems.push(`${room.address} says something else without a script: ${parting(plain, await content(other))}`);
};

/** What is typed stands in the command as one word of a shell, and nothing else becomes of it. */
const asks = async (page, room) => {
  await page.getByLabel('What you need').fill("the ticket's $(id) \\ \"all\"");
  const command = await page.locator('#command').textContent();
  if (!command.endsWith(` --text 'the ticket'\\''s $(id) \\ "all"'`)) problems.push(`${room.address} makes the command ${command}`);
  if (!await page.getByRole('button', { name: 'Copy the command' }).isEnabled()) problems.push(`${room.address} cannot be copied from`);
};

/** By keyboard alone: first over the navigation to the content, then through all of the navigation, and what has the focus shows it. */
export const keyboard = async (context, told, room) => {
  const page = await open(context, told, room);
  const at = () => page.evaluate(() => {
    const e = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(e);
    const { left, width } = e.getBoundingClientRect();
    return {
      what: e.className || e.tagName.toLowerCase(), id: e.id, href: e.getAttribute('href'), inNavigation: !!e.closest('.side nav'),
      shown: outlineStyle !== 'none' && outlineWidth !== '0px' && left >= 0 && width > 0,
    };
  });
  await page.keyboard.press('Tab');
  const skip = await at();
  if (skip.what !== 'skip' || !skip.shown) problems.push(`${room.address}: the first Tab goes to ${skip.what}`);
  await page.keyboard.press('Enter');
  const main = await at();
  if (main.id !== 'main') problems.push(`${room.address}: the skip link leads to ${main.what}`);
  await open(context, told, room);
  const wanted = await page.locator('.side nav a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  const reached = [];
  let signOut = false;
  for (let n = 0; n < wanted.length + 6 && !signOut; n += 1) {
    await page.keyboard.press('Tab');
    const now = await at();
    if (now.inNavigation) reached.push(now.href);
    if (!now.shown) problems.push(`${room.address}: the focus on ${now.href ?? now.what} cannot be seen`);
    signOut = now.what === 'button';
  }
  if (!signOut || reached.join() !== wanted.join()) problems.push(`${room.address}: Tab reaches ${reached} of ${wanted}`);
};

/** An auditor reads, filters and leaves, and is told that looks are recorded. */
export const auditors = async (context, told, rooms, { axe }) => {
  const own = rooms.filter(({ people }) => people.includes(told.auditor));
  for (const room of own) {
    const page = await open(context, told, room);
    if (!await page.locator('.notice', { hasText: 'Auditor.' }).isVisible()) problems.push(`${room.address} tells an auditor nothing`);
    const acts = await page.evaluate((own) => [...document.querySelectorAll('form, button, input[type=submit], [onclick]')]
      .filter((e) => {
        const form = e.closest('form');
        if (e.matches('[data-copy]')) return false;
        return !form || (form.method !== 'get' && !own.some((path) => new RegExp(`${path}$`).test(form.action)));
      })
      .map((e) => e.outerHTML.slice(0, 120)), ['/sign-out', ...told.acts]);
    for (const act of acts) problems.push(`${room.address} offers an auditor ${act}`);
    if (!await page.getByRole('button', { name: 'Sign out' }).isVisible()) problems.push(`${room.address} lets no auditor leave`);
    if (room.path.endsWith('/ask')) await asks(page, room);
    await accessible(page, axe, `auditor ${room.path}`);
    }
  say(`auditor: ${own.length} pages`);
};
