/**
 * Puts the reactions into the tail of a message.created event. They are kept beside the log as `emoji \x1f count \x1f users \x1e`
 * per emoji, each user followed by a blank, and end the event's `data`, so the tail is only cut and joined.
 */
export function withReactions(tail: string, summary: string): string {
  if (summary === '') return tail;
  const reactions = summary
    .split('\x1e')
    .slice(0, -1)
    .map((part) => {
      const [emoji, count, users = ''] = part.split('\x1f');
      return { emoji, count: Number(count), userIds: users.split(' ').slice(0, -1) };
    });
  return `${tail.slice(0, -2)},"reactions":${JSON.stringify(reactions)}}}`;
}
