// Tests one after the other, with results as TAP; a test that fails does not keep the others from running.
import { writeFileSync } from 'node:fs';

export class Tap {
  constructor(file, suite) {
    this.file = file;
    this.suite = suite;
    this.lines = [];
    this.count = 0;
    this.failed = 0;
  }

  // `work` may call what it is given with a reason, to be counted as skipped.
  async test(name, work) {
    const begun = Date.now();
    let skipped = '';
    let why = '';
    try {
      await work((reason) => { skipped = ` # SKIP ${reason}`; });
      this.lines.push(`ok - ${this.suite}::${name}${skipped}`);
    } catch (error) {
      this.failed += 1;
      this.lines.push(`not ok - ${this.suite}::${name}`);
      why = String(error.stack ?? error);
      console.log(why);
    }
    console.log(`${this.lines.at(-1)}  (${((Date.now() - begun) / 1000).toFixed(1)}s)`);
    this.count += 1;
    this.lines.push(...why.split('\n').filter(Boolean).map((line) => `# ${line}`));
    writeFileSync(this.file, `${this.lines.join('\n')}\n1..${this.count}\n`);
  }
}
