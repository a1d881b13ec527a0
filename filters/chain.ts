/** Runs a fixed list of filters: forward on the request, backward on the response, each told once when all is over. */

import type { LocalReply } from '../proxy/stream/local-reply.ts';
import type { Stream } from '../proxy/stream/stream.ts';
import type { Filter, MaybePromise } from './filter.ts';

/** Told about a filter that threw: a bug in the filter, never an expected failure. */
export type ReportFilterError = (filter: string, error: unknown) => void;

export class FilterChain {
  readonly filters: readonly Filter[];
  readonly #onRequest: readonly Filter[];
  /** In the order they run: the last filter sees the response first. */
  readonly #onResponse: readonly Filter[];
  readonly #onComplete: readonly Filter[];
  readonly #report: ReportFilterError;

  constructor(filters: readonly Filter[], report: ReportFilterError) {
    this.filters = filters;
    this.#onRequest = filters.filter((filter) => filter.onRequest !== undefined);
    this.#onResponse = filters.filter((filter) => filter.onResponse !== undefined).reverse();
    this.#onComplete = filters.filter((filter) => filter.onComplete !== undefined);
    this.#report = report;
  }

  /** The first reply a filter gives ends the request. Synchronous unless a filter itself waits. */
  runRequest(stream: Stream): MaybePromise<LocalReply | void> {
    return this.#onRequest.length === 0 ? undefined : this.#run(this.#onRequest, stream, 0);
  }

  /** Local replies pass here too, also those of a filter of this chain. A reply given here replaces the response. */
  runResponse(stream: Stream): LocalReply | void {
    for (let i = 0; i < this.#onResponse.length; i++) {
      const filter = this.#onResponse[i] as Filter;
      try {
        const reply = filter.onResponse?.(stream);
        if (reply !== undefined) return reply;
      } catch (error) {
        return this.#failed(filter, error);
      }
    }
    return undefined;
  }

  /** Every filter is told, whether it let the request pass, refused it, or was never reached. */
  complete(stream: Stream): void {
    for (let i = 0; i < this.#onComplete.length; i++) {
      const filter = this.#onComplete[i] as Filter;
      try {
        filter.onComplete?.(stream);
      } catch (error) {
        this.#report(filter.name, error);
      }
    }
  }

  #run(filters: readonly Filter[], stream: Stream, start: number): MaybePromise<LocalReply | void> {
    for (let i = start; i < filters.length; i++) {
      const filter = filters[i] as Filter;
      try {
        const reply = filter.onRequest?.(stream);
        if (reply === undefined) continue;
        return reply instanceof Promise ? this.#wait(reply, filters, stream, i) : reply;
      } catch (error) {
        return this.#failed(filter, error);
      }
    }
    return undefined;
  }

  async #wait(pending: Promise<LocalReply | void>, filters: readonly Filter[], stream: Stream, index: number): Promise<LocalReply | void> {
    try {
      const reply = await pending;
      if (reply !== undefined) return reply;
    } catch (error) {
      return this.#failed(filters[index] as Filter, error);
    }
    return this.#run(filters, stream, index + 1);
  }

  #failed(filter: Filter, error: unknown): LocalReply {
    this.#report(filter.name, error);
    return { status: 500, body: '', flags: 0, details: 'filter_exception' };
  }
}
