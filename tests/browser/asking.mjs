// Talks with the test that started this: a line of JSON each way.
import { createInterface } from 'node:readline';

export const answers = createInterface({ input: process.stdin });
const lines = answers[Symbol.asyncIterator]();

const next = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('the test that started this is gone');
  return JSON.parse(value);
};

/** What this is told at its start. */
export const first = next;

/** Asks the test to do something at the command line or with the server. */
export const ask = async (what) => {
  console.log(`ask ${JSON.stringify(what)}`);
  return next();
};
