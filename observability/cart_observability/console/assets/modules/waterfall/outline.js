/**
 * The spans of a trace as a list with depths, in the order in which they are drawn: which lie below which.
 *
 * @typedef {import("../shapes.js").Span} Span
 */

/**
 * The spans that are not folded away.
 *
 * @param {Span[]} spans
 * @param {Set<string>} folded
 * @returns {Span[]}
 */
export function unfolded(spans, folded) {
    let hiddenBelow = Infinity;
    return spans.filter(({ span_id, depth }) => {
        const shown = depth <= hiddenBelow;
        if (shown) {
            hiddenBelow = folded.has(span_id) ? depth : Infinity;
        }
        return shown;
    });
}

/**
 * @param {Span[]} spans
 * @param {Span} span
 */
export function hasChildren(spans, span) {
    const next = spans[spans.indexOf(span) + 1];
    return next !== undefined && next.depth > span.depth;
}

/**
 * The spans that one lies below, the nearest first.
 *
 * @param {Span[]} spans
 * @param {Span} span
 * @returns {Span[]}
 */
export function above(spans, span) {
    let depth = span.depth;
    return spans
        .slice(0, spans.indexOf(span))
        .reverse()
        .filter((one) => {
            const nearer = one.depth < depth;
            depth = nearer ? one.depth : depth;
            return nearer;
        });
}
