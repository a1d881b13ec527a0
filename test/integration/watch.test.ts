/** Watching a snapshot on a real folder: what is reported, and what is not. */

import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { watchSnapshot, type SnapshotWatch } from '../../config/load/watch.ts';
import { systemClock } from '../../proxy/base/clock.ts';

const TIMING = { quietMs: 30, longestWaitMs: 120, pollMs: 60_000 };

/** Counts reports and waits for the next one. */
class Reports {
  count = 0;
  #waiting: (() => void)[] = [];

  readonly onChange = (): void => {
    this.count += 1;
    for (const resolve of this.#waiting.splice(0)) resolve();
  };

  /** Resolves at the first report after `act`; rejects after two seconds without one. */
  async after(act: () => void): Promise<void> {
    const reported = new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('no change was reported')), 2000);
      this.#waiting.push(() => {
        clearTimeout(limit);
        resolve();
      });
    });
    act();
    await reported;
  }

  /** Waits until nothing was reported for `ms` on end. */
  async silence(ms = 100): Promise<void> {
    let seen = -1;
    while (seen !== this.count) {
      seen = this.count;
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }
}

interface Watched {
  readonly folder: string;
  readonly reports: Reports;
  readonly watch: SnapshotWatch;
}

/** A fresh folder, `prepare` fills it and names the paths to watch. */
async function start(test: Pick<typeof t, 'teardown'>, prepare: (folder: string) => string[], timing = TIMING): Promise<Watched> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-watch-'));
  const paths = prepare(folder);
  const reports = new Reports();
  const onUnwatchable = (path: string, reason: string): void => {
    throw new Error(`${path}: ${reason}`);
  };
  const watch = await watchSnapshot(paths, { clock: systemClock, onChange: reports.onChange, onUnwatchable }, timing);
  test.teardown(() => {
    watch.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, reports, watch };
}

function file(name: string, text = 'a: 1\n'): (folder: string) => string[] {
  return (folder) => {
    writeFileSync(join(folder, name), text);
    return [join(folder, name)];
  };
}

t.test('a file', async (t) => {
  t.test('is reported when written in place, appended, replaced by rename', async (t) => {
    const { folder, reports, watch } = await start(t, file('mesh.yaml'));
    t.equal(watch.totalBytes(), 5);
    await reports.after(() => writeFileSync(join(folder, 'mesh.yaml'), 'a: 2\n'));
    await reports.silence();
    await reports.after(() => appendFileSync(join(folder, 'mesh.yaml'), 'b: 3\n'));
    await reports.silence();
    await reports.after(() => {
      writeFileSync(join(folder, 'mesh.yaml.new'), 'a: 4\n');
      renameSync(join(folder, 'mesh.yaml.new'), join(folder, 'mesh.yaml'));
    });
  });

  t.test('is reported when deleted, and when it comes back', async (t) => {
    const { folder, reports } = await start(t, file('mesh.yaml'));
    await reports.after(() => unlinkSync(join(folder, 'mesh.yaml')));
    await reports.silence();
    await reports.after(() => writeFileSync(join(folder, 'mesh.yaml'), 'a: 1\n'));
  });

  t.test('may be missing at first, its folder too', async (t) => {
    const { folder, reports } = await start(t, (folder) => [join(folder, 'deep/er/mesh.yaml')]);
    await reports.after(() => {
      mkdirSync(join(folder, 'deep/er'), { recursive: true });
      writeFileSync(join(folder, 'deep/er/mesh.yaml'), 'a: 1\n');
    });
    await reports.silence();
    await reports.after(() => writeFileSync(join(folder, 'deep/er/mesh.yaml'), 'a: 2\n'));
  });

  t.test('is not reported for its neighbours, nor without a change', async (t) => {
    const { folder, reports } = await start(t, file('mesh.yaml'));
    writeFileSync(join(folder, 'access.log'), 'GET /\n');
    writeFileSync(join(folder, 'other.yaml'), 'a: 1\n');
    await reports.silence();
    t.equal(reports.count, 0);
  });

  t.test('behind a link is reported when the target is written or the link points elsewhere', async (t) => {
    const { folder, reports } = await start(t, (folder) => {
      mkdirSync(join(folder, 'real'));
      mkdirSync(join(folder, 'config'));
      writeFileSync(join(folder, 'real/one.yaml'), 'a: 1\n');
      writeFileSync(join(folder, 'real/two.yaml'), 'a: 2\n');
      symlinkSync(join(folder, 'real/one.yaml'), join(folder, 'config/mesh.yaml'));
      return [join(folder, 'config/mesh.yaml')];
    });
    await reports.after(() => writeFileSync(join(folder, 'real/one.yaml'), 'a: 3\n'));
    await reports.silence();
    await reports.after(() => {
      symlinkSync(join(folder, 'real/two.yaml'), join(folder, 'config/mesh.new'));
      renameSync(join(folder, 'config/mesh.new'), join(folder, 'config/mesh.yaml'));
    });
    await reports.silence();
    await reports.after(() => writeFileSync(join(folder, 'real/two.yaml'), 'a: 4\n'));
  });
});

t.test('a folder', async (t) => {
  const folderWithFile = (folder: string): string[] => {
    mkdirSync(join(folder, 'config'));
    writeFileSync(join(folder, 'config/a.yaml'), 'a: 1\n');
    return [join(folder, 'config')];
  };

  t.test('is reported when a file is added, changed, renamed or removed, in new subfolders too', async (t) => {
    const { folder, reports } = await start(t, folderWithFile);
    const within = (name: string): string => join(folder, 'config', name);
    const steps: [string, () => void][] = [
      ['added', () => writeFileSync(within('b.yaml'), 'b: 1\n')],
      ['changed', () => writeFileSync(within('b.yaml'), 'b: 2\n')],
      ['renamed', () => renameSync(within('b.yaml'), within('c.json'))],
      ['removed', () => unlinkSync(within('c.json'))],
      [
        'new subfolder',
        () => {
          mkdirSync(within('sub/sub'), { recursive: true });
          writeFileSync(within('sub/sub/d.yml'), 'd: 1\n');
        },
      ],
      ['changed in the subfolder', () => writeFileSync(within('sub/sub/d.yml'), 'd: 2\n')],
      ['subfolder moved away', () => renameSync(within('sub'), join(folder, 'away'))],
    ];
    for (const [name, act] of steps) {
      await t.resolves(reports.after(act), name);
      await reports.silence();
    }
  });

  t.test('is reported when emptied, deleted and made again, and goes on being watched', async (t) => {
    const { folder, reports } = await start(t, folderWithFile);
    const config = join(folder, 'config');
    for (let round = 0; round < 3; round++) {
      await reports.after(() => rmSync(config, { recursive: true }));
      await reports.silence();
      await reports.after(() => {
        mkdirSync(config);
        writeFileSync(join(config, 'a.yaml'), 'a: 1\n');
      });
      await reports.silence();
      await reports.after(() => writeFileSync(join(config, 'a.yaml'), 'a: 2\n'));
      await reports.silence();
    }
  });

  t.test('replaced by another in one step is reported, and the new one is watched', async (t) => {
    const { folder, reports } = await start(t, folderWithFile);
    mkdirSync(join(folder, 'next'));
    writeFileSync(join(folder, 'next/a.yaml'), 'a: 9\n');
    await reports.after(() => {
      renameSync(join(folder, 'config'), join(folder, 'old'));
      renameSync(join(folder, 'next'), join(folder, 'config'));
    });
    await reports.silence();
    await reports.after(() => writeFileSync(join(folder, 'config/a.yaml'), 'a: 10\n'));
  });

  t.test('is not reported for files that are no part of a snapshot', async (t) => {
    const { folder, reports } = await start(t, folderWithFile);
    writeFileSync(join(folder, 'config/access.log'), 'GET /\n');
    writeFileSync(join(folder, 'config/.a.yaml.swp'), 'b0VIM\n');
    await reports.silence();
    t.equal(reports.count, 0);
  });
});

t.test('a ConfigMap mount: files link through ..data, which is swapped', async (t) => {
  const version = (folder: string, name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'mesh.yaml'), text);
  };
  const swap = (folder: string, name: string): void => {
    symlinkSync(name, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  const mount = (folder: string): void => {
    version(folder, '..2026_01', 'a: 1\n');
    symlinkSync('..2026_01', join(folder, '..data'));
    symlinkSync('..data/mesh.yaml', join(folder, 'mesh.yaml'));
  };
  const shapes: [string, (folder: string) => string[]][] = [
    ['watched as a folder', (folder) => [folder]],
    ['watched as a file', (folder) => [join(folder, 'mesh.yaml')]],
  ];
  for (const [name, paths] of shapes) {
    t.test(name, async (t) => {
      const { folder, reports } = await start(t, (folder) => {
        mount(folder);
        return paths(folder);
      });
      let old = '..2026_01';
      for (const next of ['..2026_02', '..2026_03', '..2026_04']) {
        version(folder, next, 'a: 1\n');
        await reports.after(() => swap(folder, next));
        rmSync(join(folder, old), { recursive: true });
        await reports.silence();
        old = next;
      }
    });
  }
});

t.test('a flood of writes is reported while it lasts, and its end is too', async (t) => {
  const { folder, reports } = await start(t, file('mesh.yaml'));
  const until = performance.now() + 800;
  let writes = 0;
  while (performance.now() < until) {
    writeFileSync(join(folder, 'mesh.yaml'), `a: ${writes++}\n`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const during = reports.count;
  t.ok(during >= 2, `reported ${during} times during ${writes} writes`);
  t.ok(during <= 12, `reported ${during} times during ${writes} writes`);
  await reports.after(() => writeFileSync(join(folder, 'mesh.yaml'), 'a: last\n'));
});

t.test('a burst that is about a snapshot file says at once that a change is likely', async (t) => {
  const folder = t.testdir({ 'mesh.yaml': 'a: 1\n' });
  const reports = new Reports();
  const told: string[] = [];
  const onChange = (): void => {
    told.push('change');
    reports.onChange();
  };
  const watch = await watchSnapshot([folder], { clock: systemClock, onChange, onStir: () => told.push('stir'), onUnwatchable: () => {} }, TIMING);
  t.teardown(() => watch.close());
  writeFileSync(join(folder, 'access.log'), 'GET /\n');
  await reports.silence();
  t.same(told, [], 'a log file stirs nothing');
  await reports.after(() => {
    writeFileSync(join(folder, 'access.log'), 'GET /again\n');
    writeFileSync(join(folder, 'mesh.yaml'), 'a: 2\n');
    writeFileSync(join(folder, 'mesh.yaml'), 'a: 3\n');
  });
  t.same(told, ['stir', 'change'], 'once for a burst');
});

t.test('the poll finds what no event tells', async (t) => {
  const { folder, reports } = await start(t, file('mesh.yaml'), { ...TIMING, quietMs: 60_000, longestWaitMs: 60_000, pollMs: 50 });
  await reports.after(() => writeFileSync(join(folder, 'mesh.yaml'), 'a: 2\n'));
  await reports.after(() => utimesSync(join(folder, 'mesh.yaml'), 1, 1));
});

t.test('nothing is reported after close, and standard input is not watched', async (t) => {
  const { folder, reports, watch } = await start(t, (folder) => ['-', ...file('mesh.yaml')(folder)]);
  t.equal(watch.totalBytes(), 5);
  watch.close();
  writeFileSync(join(folder, 'mesh.yaml'), 'a: 2\n');
  await reports.silence();
  t.equal(reports.count, 0);
});
