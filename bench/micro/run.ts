/** `node dist/bench/micro/run.js [text]`: nanoseconds a call of the hot path's pieces; `text` picks those whose name holds it. */

import { balancerBenchmarks } from './balancers.ts';
import { printDataPath } from './data-path.ts';
import { headerBenchmarks } from './headers.ts';
import { measure } from './measure.ts';
import { pathBenchmarks } from './paths.ts';
import { routeBenchmarks } from './routes.ts';

const wanted = process.argv[2] ?? '';

process.stdout.write(`${'ns/op'.padStart(9)} ${'best'.padStart(9)} ${'worst'.padStart(9)} ${'bytes/op'.padStart(9)}\n`);
for (const benchmark of [...routeBenchmarks(), ...pathBenchmarks(), ...headerBenchmarks(), ...balancerBenchmarks()]) {
  if (!benchmark.name.includes(wanted)) continue;
  const { name, nsPerOp, best, worst, bytesPerOp } = measure(benchmark);
  const figures = [nsPerOp, best, worst].map((ns) => ns.toFixed(1).padStart(9)).join(' ');
  process.stdout.write(`${figures} ${bytesPerOp.toFixed(0).padStart(9)}  ${name}\n`);
}
if ('data path'.includes(wanted)) printDataPath();
