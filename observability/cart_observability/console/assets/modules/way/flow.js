/**
 * How much comes in from outside, how much follows from it, and whether the handlers keep up: what is said of the whole
 * way, as far as it is known.
 *
 * @typedef {import("../live.js").Tick} Tick
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {import("../live.js").WayLink} WayLink
 */

/** So many waiting are not there by chance. */
const MANY = 10;
/** What waits for longer has fallen behind. */
const BEHIND_S = 3;
/** Over so long the server takes rates. */
const WINDOW_S = 10;
/** What comes and what leaves is not counted at the same moment: a smaller share of it, or fewer, is no difference. */
const LEAST = { share: 0.2, count: 5 };

/**
 * Events a second that come in from outside, and that follow from others; null where it is not known.
 *
 * @param {Tick} tick
 */
export function flowOf({ figures, way }) {
    const kinds = new Map(way.nodes.map(({ id, kind }) => [id, kind]));
    const from = (/** @type {WayLink} */ { from }) => kinds.get(from);
    const follow = way.links.filter(
        (link) => link.kind === "follow_up" || (link.kind === "publish" && from(link) === "handler"),
    );
    // Behind a store, what is published is what came in and what follows, both.
    const isKept = way.links.some((link) => link.kind === "publish" && from(link) === "store");
    const publish = way.links.filter(({ kind }) => kind === "publish").filter((link) => from(link) === "service");
    return {
        incoming: isKept ? figures.arrival_rate : (sum(publish) ?? figures.arrival_rate),
        following: sum(follow) ?? 0,
    };
}

/** @param {WayLink[]} links */
function sum(links) {
    const rates = links.flatMap(({ rate }) => (rate === null ? [] : [rate]));
    return rates.length ? rates.reduce((all, rate) => all + rate, 0) : null;
}

/**
 * How long the oldest event has waited in a node, in seconds; where nobody tells, how long at this rate those take that
 * wait there (Little's law), and null for a few, which come and go.
 *
 * @param {WayNode} node
 */
export function delayOf({ backlog, oldest_age_s, rate: passing }) {
    const guessed = (backlog ?? 0) >= MANY ? (backlog ?? 0) / (passing ?? 0) : null;
    return oldest_age_s ?? guessed;
}

/**
 * Whether what a node holds is taken as fast as it comes: by what waits there, or else by how long that had waited which
 * was taken, or by what comes and leaves. Null where none of these is known.
 *
 * @param {WayNode} node
 * @returns {boolean | null}
 */
export function keepsUp(node) {
    const { backlog, wait_s: wait } = node;
    if (backlog !== null) {
        return backlog < 1 || (delayOf(node) ?? 0) < BEHIND_S;
    }
    const more = surplus(node);
    if ((wait ?? 0) >= BEHIND_S || (more !== null && more > 0)) {
        return false;
    }
    return wait === null && more === null ? null : true;
}

/**
 * Events a second that come beyond those that leave; 0 where the difference is too small to be one, null where it is not
 * known.
 *
 * @param {WayNode} node
 */
export function surplus({ arriving, leaving }) {
    if (arriving === null || leaving === null) {
        return null;
    }
    const more = arriving - leaving;
    return more > LEAST.share * arriving && more * WINDOW_S >= LEAST.count ? more : 0;
}

/**
 * Whether it is known of every handler that it keeps up; false where there is none.
 *
 * @param {Way} way
 */
export function allKeepUp({ nodes, links }) {
    const handlers = nodes.filter(({ kind }) => kind === "handler");
    const queuesOf = (/** @type {WayNode} */ { id }) => {
        const before = links.filter(({ to, kind }) => to === id && kind === "deliver").map(({ from }) => from);
        return nodes.filter((node) => before.includes(node.id));
    };
    const isKnown = (/** @type {WayNode[]} */ queues) => queues.length > 0 && queues.every((queue) => keepsUp(queue));
    return handlers.length > 0 && handlers.every((handler) => isKnown(queuesOf(handler)));
}
