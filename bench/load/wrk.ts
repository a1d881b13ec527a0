/** wrk as the closed-loop generator: the cheapest one there is, so the load core is never the limit. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCore } from '../config.ts';
import { findProgram, runProgram } from '../measure/process.ts';
import type { ClosedLoopResult, LoadJob } from './job.ts';

/** Path of wrk, when this machine has it. */
export const wrk = findProgram('wrk');

export async function runWrk(program: string, job: LoadJob, folder: string): Promise<ClosedLoopResult> {
  const script = join(folder, 'wrk.lua');
  writeFileSync(script, wrkScript(job));
  const seconds = `${Math.max(1, Math.round(job.durationMs / 1000))}s`;
  const url = `${job.tls === undefined ? 'http' : 'https'}://127.0.0.1:${job.port}${job.request.path}`;
  const output = await runProgram(loadCore, program, ['-t1', `-c${job.connections}`, `-d${seconds}`, '-s', script, url]);
  const [, requests, micros, errors] = /^RESULT (\d+) (\d+) (\d+)$/m.exec(output) ?? [];
  if (requests === undefined) throw new Error(`wrk said: ${output}`);
  return { requests: Number(requests), seconds: Number(micros) / 1e6, errors: Number(errors) };
}

/** The request and a summary line a program can read. Connections cut by wrk itself at the end are not errors. */
function wrkScript({ request }: LoadJob): string {
  const headers = [`["Host"] = "${request.host}"`, ...(request.close ? ['["Connection"] = "close"'] : [])];
  return `wrk.method = "${request.method}"
wrk.headers = { ${headers.join(', ')} }
${request.bodyBytes > 0 ? `wrk.body = string.rep("x", ${request.bodyBytes})` : ''}
${request.varied === undefined ? '' : variedScript(request.varied)}
done = function(summary)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout))
end
`;
}

/** Requests made once and sent in turn, so that varying them costs the load core next to nothing. */
function variedScript({ header, values }: NonNullable<LoadJob['request']['varied']>): string {
  return `local turn, requests = 0, {}
init = function()
  for value = 0, ${values - 1} do
    wrk.headers["${header}"] = tostring(value)
    requests[value] = wrk.format()
  end
end
request = function()
  turn = (turn + 1) % ${values}
  return requests[turn]
end`;
}
