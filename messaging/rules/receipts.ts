import type { CommandOf } from '../../shared/commands.ts';
import type { Asked, Plan, Rule } from './rule.ts';

/**
 * Cursors never move back. A seq beyond the head counts as the head. Reading implies delivery. If a cursor moved, one receipt of the kind
 * asked for is published, in conversations that are not too large. The answer has no seq. If nothing moved, it has no activation either.
 */
function receipt({ command, at, limits }: Asked<'receipt.read' | 'receipt.delivered'>, cursor: 'read' | 'delivered'): Plan {
  const { conversationId, actorId, seq } = command as CommandOf<'receipt.read'>;
  const [id, user] = [JSON.stringify(conversationId), JSON.stringify(actorId)];
  return {
    raise: { cursor, to: seq },
    // The seq that was reached stands between the two: the head, when the client named one beyond it.
    frame: {
      text: `{"type":"receipt","conversationId":${id},"userId":${user},"kind":"${cursor}","seq":`,
      end: `,"at":${at}}`,
      upToMembers: limits.receiptMaxMembers,
    },
  };
}

export const receiptRead: Rule<'receipt.read'> = { plan: (asked) => receipt(asked, 'read') };
export const receiptDelivered: Rule<'receipt.delivered'> = { plan: (asked) => receipt(asked, 'delivered') };
