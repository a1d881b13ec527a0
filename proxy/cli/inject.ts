/** `outrider inject`: manifests in, manifests with the sidecar out. */

import { writeFileSync } from 'node:fs';
import type { InjectOptions } from '../../config/inject/options.ts';
import { defaultFileLimit, readSources, readStandardInput } from '../../config/load/files.ts';
import { renderProblem, type Problem } from '../../config/runtime/problem.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags, usageError, type GivenFlags, type UsageError } from './flags.ts';
import { DEFAULT_CERTS_SECRET, DEFAULT_CONFIG_MAP, INJECT_FLAGS } from './inject/flags.ts';
import { injectText } from './inject/inject-text.ts';
import { parseName, parseOneOf, type ParsedValue } from './values.ts';
import { readVersion } from './version.ts';

/** Exit 1, and nothing written, when any manifest is wrong; warnings and notes go to standard error. */
export async function runInject(argv: readonly string[], { stdout, stderr }: CommandContext): Promise<ExitCode> {
  const flags = parseFlags(argv, INJECT_FLAGS);
  const request = flags.ok ? readRequest(flags) : flags;
  if ('message' in request) {
    stderr(`outrider inject: ${request.message}\nTry "outrider inject --help".\n`);
    return 2;
  }
  const { text, problems } = injectFiles(request.files, request.options);
  for (const problem of problems) stderr(`${renderProblem(problem)}\n`);
  if (problems.some(({ severity }) => severity === 'error')) return 1;
  if (request.output === undefined || request.output === '-') {
    stdout(text);
    return 0;
  }
  try {
    writeFileSync(request.output, text);
    return 0;
  } catch (error) {
    stderr(`outrider inject: --output: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

interface InjectRequest {
  readonly files: readonly string[];
  readonly output: string | undefined;
  readonly options: InjectOptions;
}

function readRequest(flags: GivenFlags): InjectRequest | UsageError {
  const [word] = flags.positionals;
  if (word !== undefined) return usageError(`unexpected argument '${word}', did you mean -f ${word}?`);
  const files = flags.values.get('filename') ?? [];
  if (files.length === 0) return usageError('-f FILE is required (- for standard input)');
  const given = (name: string): string | undefined => flags.values.get(name)?.at(-1);
  const problems: string[] = [];
  const parsed = <T>(name: string, parse: (text: string) => ParsedValue<T>): T | undefined => {
    const text = given(name);
    const value = text === undefined ? undefined : parse(text);
    if (value === undefined || value.ok) return value?.value;
    problems.push(`--${name}: ${value.message}`);
    return undefined;
  };
  const imagePullPolicy = parsed('image-pull-policy', parseOneOf(['Always', 'IfNotPresent', 'Never']));
  const trustDomain = parsed('trust-domain', parseName);
  const clusterDomain = parsed('cluster-domain', parseName);
  const options: InjectOptions = {
    image: given('image') ?? `outrider:${readVersion()}`,
    configMap: parsed('config-map', parseName) ?? DEFAULT_CONFIG_MAP,
    certsSecret: parsed('certs-secret', parseSecretName) ?? DEFAULT_CERTS_SECRET,
    nativeSidecar: given('native-sidecar') !== undefined,
    holdApplication: given('hold-application') !== undefined,
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    ...(trustDomain === undefined ? {} : { trustDomain }),
    ...(clusterDomain === undefined ? {} : { clusterDomain }),
  };
  const [problem] = problems;
  return problem === undefined ? { files, output: given('output'), options } : usageError(problem);
}

function parseSecretName(text: string): ParsedValue<string> {
  const plain = parseName(text.replaceAll('{serviceAccount}', 'default'));
  return plain.ok ? { ok: true, value: text } : plain;
}

/** Files one after the other, as documents of one stream. */
function injectFiles(paths: readonly string[], options: InjectOptions): { readonly text: string; readonly problems: readonly Problem[] } {
  const texts: string[] = [];
  const problems: Problem[] = [];
  for (const source of readSources(paths, { limitBytes: defaultFileLimit, stdin: () => readStandardInput(defaultFileLimit) })) {
    if (!('text' in source)) {
      problems.push(source);
      continue;
    }
    const injected = injectText(source.text, source.name, options);
    problems.push(...injected.problems);
    texts.push(injected.text);
  }
  return { text: joined(texts), problems };
}

function joined(texts: readonly string[]): string {
  const [first = '', ...rest] = texts;
  return rest.reduce((all, text) => `${all}${all.endsWith('\n') || all === '' ? '' : '\n'}${/^---[ \n]/.test(text) ? '' : '---\n'}${text}`, first);
}
