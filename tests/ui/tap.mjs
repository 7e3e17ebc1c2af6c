// Tests one after the other, with results as TAP; a test that fails does not keep the others from running.
import { writeFileSync } from 'node:fs';

export class Tap {
  constructor(file) {
    this.file = file;
    this.lines = [];
    this.failed = 0;
  }

  async test(name, work) {
    const begun = Date.now();
    try {
      await work();
      this.lines.push(`ok - ui::${name}`);
    } catch (error) {
      this.failed += 1;
      this.lines.push(`not ok - ui::${name}`);
      console.log(error.stack ?? error);
    }
    console.log(`${this.lines.at(-1)}  (${((Date.now() - begun) / 1000).toFixed(1)}s)`);
    writeFileSync(this.file, `${this.lines.join('\n')}\n1..${this.lines.length}\n`);
  }
}
