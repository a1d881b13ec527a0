/** Starts a proxy process and waits for its first answer. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Backends, Target } from './target.ts';

/** A target that the test itself ends. */
export interface StoppableTarget extends Target {
  stop(): Promise<void>;
}

export interface TargetPlan {
  readonly backends: Backends;
  readonly command: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly logFile: string;
}

/** Throws with the program's own words when it does not answer within 20 s. */
export async function startTarget(plan: TargetPlan): Promise<StoppableTarget> {
  const child = spawn(plan.command, plan.args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let exited = false;
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => {
    output += error.message;
  });
  const gone = new Promise<void>((resolve) => {
    child.on('close', () => {
      exited = true;
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    if (!exited) child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(force);
  };
  const target = { backends: plan.backends, port: plan.port, pid: child.pid ?? 0, logLines: () => readLines(plan.logFile), alive: () => !exited, output: () => output, stop };
  const deadline = performance.now() + 20_000;
  while (!(await accepts(plan.port))) {
    if (!exited && performance.now() < deadline) continue;
    await stop();
    throw new Error(`${plan.command} does not start: ${output}`);
  }
  return target;
}

async function accepts(port: number): Promise<boolean> {
  const connected = await new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
  if (!connected) await new Promise((resolve) => setTimeout(resolve, 5));
  return connected;
}

function readLines(path: string): string[] {
  try {
    const text = readFileSync(path, 'latin1');
    return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').slice(0, -1);
  } catch {
    return [];
  }
}
