/** details, ratings and the three versions of reviews: JSON over HTTP, in the shapes of Istio's sample. */

import { json, notFound, propagated } from './app.ts';
import type { AppHandler, MeshCall } from './app.ts';
import { DETAILS, RATINGS, REVIEWS } from './books.ts';

export interface Review {
  readonly reviewer: string;
  readonly text: string;
  /** Absent where this version of reviews knows no ratings. */
  readonly rating?: { readonly stars: number; readonly color: string } | { readonly error: string };
}

export interface ReviewsAnswer {
  readonly id: number;
  /** Workload that answered, `reviews-v2`. */
  readonly podname: string;
  readonly reviews: readonly Review[];
  /** Workload that gave the ratings, and how long this workload's proxy waited for it. */
  readonly ratings?: { readonly podname: string; readonly upstreamMs: string };
}

export function details(podname: string): AppHandler {
  return async ({ url }) => {
    const id = idIn(url.pathname, 'details');
    return id === undefined ? notFound() : json({ id, podname, ...DETAILS });
  };
}

export function ratings(podname: string): AppHandler {
  return async ({ url }) => {
    const id = idIn(url.pathname, 'ratings');
    return id === undefined ? notFound() : json({ id, podname, ratings: RATINGS });
  };
}

/** `color` undefined: this version shows no ratings and does not ask for them. */
export function reviews(podname: string, call: MeshCall, color?: string): AppHandler {
  return async ({ url, headers }) => {
    const id = idIn(url.pathname, 'reviews');
    if (id === undefined) return notFound();
    if (color === undefined) return json({ id, podname, reviews: REVIEWS } satisfies ReviewsAnswer);
    const answer = await call('ratings', `/ratings/${id}`, propagated(headers));
    const rated = answer.status === 200 ? (JSON.parse(answer.body) as { podname: string; ratings: Record<string, number> }) : undefined;
    const answered: ReviewsAnswer = {
      id,
      podname,
      reviews: REVIEWS.map((review) => Object.assign({ rating: ratingOf(rated?.ratings[review.reviewer], color) }, review)),
      ...(rated === undefined ? {} : { ratings: { podname: rated.podname, upstreamMs: String(answer.headers['x-envoy-upstream-service-time'] ?? '') } }),
    };
    return json(answered);
  };
}

function ratingOf(stars: number | undefined, color: string): NonNullable<Review['rating']> {
  return stars === undefined ? { error: 'Ratings are not available now' } : { stars, color };
}

/** `/reviews/0` → 0. */
function idIn(path: string, service: string): number | undefined {
  const match = new RegExp(`^/${service}/(\\d{1,9})$`).exec(path);
  return match === null ? undefined : Number(match[1]);
}
