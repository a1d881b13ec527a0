/** The filter chain's order and failures, and the registry. */

import t from 'tap';
import { FilterChain } from '../../../filters/chain.ts';
import type { Filter, MaybePromise } from '../../../filters/filter.ts';
import { createFilters, FILTER_NAMES } from '../../../filters/registry.ts';
import type { LocalReply } from '../../../proxy/stream/local-reply.ts';
import type { Stream } from '../../../proxy/stream/stream.ts';

const stream = {} as Stream;
const denied: LocalReply = { status: 403, body: 'no', flags: 0, details: 'denied' };
const exception: LocalReply = { status: 500, body: '', flags: 0, details: 'filter_exception' };

/** Filters that note when they run. */
class Trace {
  readonly steps: string[] = [];
  readonly errors: string[] = [];

  filter(name: string, hooks: { onRequest?: () => MaybePromise<LocalReply | void>; onResponse?: () => LocalReply | void; onComplete?: () => void } = {}): Filter {
    return {
      name,
      onRequest: () => {
        this.steps.push(`${name}>`);
        return hooks.onRequest?.();
      },
      onResponse: () => {
        this.steps.push(`<${name}`);
        return hooks.onResponse?.();
      },
      onComplete: () => {
        this.steps.push(`${name}.`);
        hooks.onComplete?.();
      },
    };
  }

  chain(...filters: readonly Filter[]): FilterChain {
    return new FilterChain(filters, (name, error) => this.errors.push(`${name}: ${error instanceof Error ? error.message : String(error)}`));
  }
}

function fail(message: string): never {
  throw new Error(message);
}

t.test('forward on the request, backward on the response, everybody at the end', (t) => {
  const trace = new Trace();
  const chain = trace.chain(trace.filter('a'), { name: 'silent' }, trace.filter('b'));
  t.equal(chain.runRequest(stream), undefined, 'synchronous: no promise');
  t.equal(chain.runResponse(stream), undefined);
  chain.complete(stream);
  t.strictSame(trace.steps, ['a>', 'b>', '<b', '<a', 'a.', 'b.']);
  const empty = trace.chain();
  t.equal(empty.runRequest(stream), undefined);
  t.equal(empty.runResponse(stream), undefined);
  t.end();
});

t.test('a reply ends the request there', async (t) => {
  const trace = new Trace();
  const now = trace.chain(trace.filter('a'), trace.filter('b', { onRequest: () => denied, onResponse: () => denied }), trace.filter('c'));
  t.equal(now.runRequest(stream), denied);
  t.equal(now.runResponse(stream), denied, 'a response may be replaced');
  now.complete(stream);
  t.strictSame(trace.steps, ['a>', 'b>', '<c', '<b', 'a.', 'b.', 'c.']);

  const later = trace.chain(trace.filter('a', { onRequest: async () => denied }), trace.filter('b'));
  t.equal(await later.runRequest(stream), denied);
  t.notOk(trace.steps.slice(7).includes('b>'));
});

t.test('only a waiting filter makes the chain wait, and the rest runs after it', async (t) => {
  const trace = new Trace();
  let pass: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => {
    pass = resolve;
  });
  const chain = trace.chain(trace.filter('a'), trace.filter('b', { onRequest: () => waiting }), trace.filter('c', { onRequest: async () => undefined }), trace.filter('d'));
  const result = chain.runRequest(stream);
  t.type(result, Promise);
  t.strictSame(trace.steps, ['a>', 'b>']);
  pass();
  t.equal(await result, undefined);
  t.strictSame(trace.steps, ['a>', 'b>', 'c>', 'd>']);
});

t.test('a filter that throws costs its own request and nothing else', async (t) => {
  const trace = new Trace();
  const broken = trace.chain(
    trace.filter('a', { onComplete: () => fail('complete') }),
    trace.filter('b', { onRequest: () => fail('request'), onResponse: () => fail('response') }),
    trace.filter('c'),
  );
  t.strictSame(broken.runRequest(stream), exception);
  t.strictSame(broken.runResponse(stream), exception);
  broken.complete(stream);
  t.strictSame(trace.steps, ['a>', 'b>', '<c', '<b', 'a.', 'b.', 'c.'], 'the others are still told');
  const rejected = trace.chain(trace.filter('d', { onRequest: async () => fail('later') }), trace.filter('e'));
  t.strictSame(await rejected.runRequest(stream), exception);
  t.strictSame(trace.errors, ['b: request', 'b: response', 'a: complete', 'd: later']);
});

t.test('the registry creates what has something to do', (t) => {
  const deps = { random: () => 0, now: () => 0, setTimer: () => ({ cancel: () => {} }) };
  const cors = { allowOrigins: [{ kind: 'exact', value: 'http://a' }], unmatchedPreflights: 'FORWARD' };
  t.strictSame(FILTER_NAMES, ['fault', 'cors']);
  t.strictSame(createFilters([], deps), []);
  t.strictSame(createFilters([{ name: 'cors', policy: { ...cors, allowOrigins: [] } }], deps), [], 'nothing to do costs nothing');
  t.strictSame(createFilters([{ name: 'cors', policy: cors }], deps).map(({ name }) => name), ['cors']);
  const fault = { name: 'fault', policy: { abort: { httpStatus: 500, percent: 1 } } };
  t.strictSame(createFilters([{ name: 'cors', policy: cors }, fault], deps).map(({ name }) => name), ['fault', 'cors'], 'in its own order');
  t.throws(() => createFilters([{ name: 'nope', policy: {} }], deps), /no filter is named "nope"/);
  t.end();
});
