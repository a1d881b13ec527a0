/** One virtual host: finds the first route that matches a request, and says why the others do not. */

import type { RouteConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import type { RequestHead } from '../stream/stream.ts';
import { pathLengthOf } from './target.ts';
import { createRouteMatcher, type RouteMatcher } from './route-matcher.ts';
import { RouteMatch } from './route-match.ts';

export type CreateRoute<R> = (config: RouteConfig, virtualHost: VirtualHostConfig) => R;

/** One route that was tried, for `explain` and for the log line of a 404. */
export interface TriedRoute {
  readonly route: string;
  /** `RouteConfig.index`. */
  readonly index: number;
  readonly matched: boolean;
  /** The first condition that did not hold, in words. */
  readonly failed?: string;
}

interface CompiledRoutes<R> {
  readonly routes: readonly R[];
  readonly matches: readonly RouteMatch[];
  readonly find: RouteMatcher;
}

/** Compiled at the first request, so that a mesh of 10,000 services costs only the hosts that are talked to. */
export class VirtualHost<R> {
  readonly config: VirtualHostConfig;
  readonly #createRoute: CreateRoute<R>;
  #compiled: CompiledRoutes<R> | undefined = undefined;

  constructor(config: VirtualHostConfig, createRoute: CreateRoute<R>) {
    this.config = config;
    this.#createRoute = createRoute;
  }

  /** The first route whose conditions all hold, or undefined: 404 `route_not_found`. */
  match(request: RequestHead): R | undefined {
    const { find, routes } = (this.#compiled ??= this.#compile());
    const index = find(request, pathLengthOf(request.path));
    return index === -1 ? undefined : routes[index];
  }

  /** The routes tried, in order, up to and including the one that matched; at most `limit` of them. */
  explain(request: RequestHead, limit: number = Number.POSITIVE_INFINITY): TriedRoute[] {
    const { matches } = (this.#compiled ??= this.#compile());
    const pathLength = pathLengthOf(request.path);
    const tried: TriedRoute[] = [];
    for (const [position, config] of this.config.routes.entries()) {
      if (tried.length >= limit) break;
      const failed = matches[position]?.failure(request, pathLength);
      const route = { route: config.name, index: config.index };
      if (failed === undefined) return [...tried, { ...route, matched: true }];
      tried.push({ ...route, matched: false, failed });
    }
    return tried;
  }

  #compile(): CompiledRoutes<R> {
    const { routes } = this.config;
    const matches = routes.map((route) => new RouteMatch(route.match));
    return {
      routes: routes.map((route) => this.#createRoute(route, this.config)),
      matches,
      find: createRouteMatcher(matches, routes.map((route) => route.match)),
    };
  }
}
