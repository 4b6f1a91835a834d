// Pages that are open while something is appended, and while the server is away.
import { ask } from './asking.mjs';
import { problems, say } from './checks.mjs';

/** Nothing here is bound by time; the numbers are printed, and the benchmark bounds them. */
const PATIENCE = 20_000;
const ROUNDS = 5;

/** Waits until the page has the entry with that index, and when it did, in milliseconds since 1970. */
const arrives = (page, index) => page.evaluate(([wanted, patience]) => new Promise((resolve) => {
  const look = () => {
    const link = document.querySelector(`#content a[href="/ledger/${wanted}"]`);
    if (!link) return false;
    const time = link.closest('tr')?.querySelector('time');
    resolve({ at: Date.now(), appended: time && Date.parse(time.dateTime), again: globalThis.markOfThisTest !== true });
    return true;
  };
  if (look()) return;
  const observer = new MutationObserver(() => { if (look()) observer.disconnect(); });
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => resolve(null), patience);
}), [index, PATIENCE]);

const opened = async (context, told, path) => {
  const page = await context.newPage();
  await page.goto(told.url + path);
  await page.locator('#live', { hasText: 'Live' }).waitFor();
  await page.evaluate(() => { globalThis.markOfThisTest = true; });
  return page;
};

/** What is appended at a command line is on the open page, which is not loaded again. */
export const live = async (context, told) => {
  const page = await opened(context, told, '/ledger');
  const took = [];
  for (let n = 0; n < ROUNDS; n += 1) {
    const next = Number(await page.evaluate(() => document.body.dataset.head));
    const seen = arrives(page, next);
    await ask({ do: 'append' });
    const result = await seen;
    if (!result) {
      problems.push(`entry ${next} was not on the open page after ${PATIENCE / 1000} s`);
      return;
    }
    if (result.again) problems.push('an open page was loaded again instead of brought up to date');
    took.push(result.at - result.appended);
  }
  say(`append to open page: ${took.join(', ')} ms (an entry's time is taken before it is written; the aim is 1000)`);
  await context.close();
};

/** What one person has verified, another's open page shows when it is over, without being loaded again. */
export const verified = async (context, other, told) => {
  const page = await opened(context, told, '/ledger');
  const asks = await opened(other, told, '/ledger');
  await asks.getByRole('button', { name: 'Verify now' }).focus();
  await asks.keyboard.press('Enter');
  await asks.waitForURL((url) => url.pathname === '/ledger' && url.hash === '#verified');
  const begun = Date.now();
  for (const [who, one] of [['whoever asked', asks], ['an open page', page]]) {
    const said = one.locator('#verified [role=status]', { hasText: 'every byte is accounted for' });
    await said.waitFor({ timeout: 6 * PATIENCE }).catch(() => problems.push(`${who} was not told that the ledger is verified`));
  }
  if (await page.evaluate(() => globalThis.markOfThisTest !== true)) problems.push('an open page was loaded again for a verification');
  say(`verified from the page: told after ${Date.now() - begun} ms`);
  await context.close();
  await other.close();
};

/** A server that ends takes the visits with it: the page says so, keeps what it shows, and goes on after the next sign-in. */
export const restarted = async (browser, visit, told, person, signedIn) => {
  // What the browser says of a server that is away is no problem here.
  const context = await browser.newContext({ storageState: await visit.storageState() });
  const page = await opened(context, told, '/ledger');
  const next = Number(await page.evaluate(() => document.body.dataset.head));
  const says = (text) => page.locator('#live', { hasText: text }).waitFor({ timeout: PATIENCE });
  const heading = () => page.locator('h1').innerText();
  await ask({ do: 'stop' });
  await says('Not connected');
  await ask({ do: 'append' });
  await ask({ do: 'start' });
  await says('Your visit ended');
  if (await heading() !== 'Ledger') problems.push('a page lost what it showed when the server was started again');
  if (!await page.locator('#live a[href="/sign-in"]').isVisible()) problems.push('a page whose visit ended does not say where to sign in');
  const again = await signedIn(person);
  await context.addCookies(await again.context.cookies());
  const begun = Date.now();
  const seen = await arrives(page, next);
  if (!seen) problems.push('what was appended while the server was away is not on the page that was open');
  else if (seen.again) problems.push('a page was loaded again although it could be brought up to date');
  else say(`away: the page has what it missed ${Date.now() - begun} ms after the next sign-in`);
  await says('Live');
  await context.close();
  await again.context.close();
};
