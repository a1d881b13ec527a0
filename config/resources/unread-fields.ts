/** Fields that a kind has and this program does not read: known to the strict schema, absent from the type. */

import type { Shape } from './schema.ts';
import { anything } from './schema.ts';

/** The shape with `names` added, each with any value. What they hold stays in the parsed value and means nothing. */
export function withUnread<T>(shape: Shape<T>, names: readonly string[]): Shape<T> {
  const unread = Object.fromEntries(names.map((name) => [name, anything]));
  return { ...unread, ...shape };
}
