/** The whole table. */

import type { Case } from '../case.ts';
import { framingCases } from './framing.ts';
import { headCases } from './heads.ts';
import { headerCases } from './headers.ts';
import { hostCases } from './hosts.ts';
import { replyCases } from './replies.ts';
import { responseCases } from './responses.ts';

export const cases: readonly Case[] = [...framingCases, ...headCases, ...hostCases, ...headerCases, ...responseCases, ...replyCases];
