/** What is going on, in words: the sentence above the map, and what a node or a link says of itself. */
import { ago, count, duration, number, plural, rate } from "../format.js";
import { allKeepUp, delayOf, flowOf, keepsUp, surplus } from "./flow.js";

/**
 * @typedef {import("../live.js").Tick} Tick
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {import("../live.js").WayLink} WayLink
 */

/** Where events wait; what waits in other parts is in work. */
export const HOLDERS = ["store", "queue"];
/** Of those that fall behind: those that do most. */
const MOST_TOLD = 2;
/** Of one thing that was not seen for so long, what is shown may not be so any more. */
export const STALE_MS = 60_000;

/** @type {Record<string, string>} What a backlog is elsewhere than in a queue. */
const HELD = { failures: "Dead letters", handler: "In work" };
/** @type {Record<string, string>} */
const LINKS = {
    request: "requests",
    commit: "commits",
    publish: "publishes",
    route: "routes",
    deliver: "delivers",
    result: "results",
    follow_up: "follow-up events",
    send: "sends",
    failed: "failed attempts",
};

/**
 * A rate where there is little room: 21, 2.1, 0.53.
 *
 * @param {number} x
 */
export function brief(x) {
    return number(x >= 10 ? Math.round(x) : x >= 1 ? Math.round(x * 10) / 10 : Math.round(x * 100) / 100);
}

/**
 * "21 events a second come in and 1 follows from them, all handlers keep up."
 *
 * @param {Tick} tick
 */
export function sentence(tick) {
    const { way } = tick;
    const { incoming, following } = flowOf(tick);
    const troubles = troublesOf(way);
    const fine = troubles.length === 0 && flows(incoming) && allKeepUp(way) ? keeping(way) : "";
    return [comes(incoming, following) + fine, ...(flows(incoming) ? [] : refused(way)), ...troubles]
        .map((text) => `${text}.`)
        .join(" ");
}

/** @param {Way} way */
function keeping({ nodes }) {
    const handlers = nodes.filter(({ kind }) => kind === "handler").length;
    return handlers === 1 ? ", the handler keeps up" : ", all handlers keep up";
}

/**
 * Who is in trouble: when this changes, it is worth to be said aloud.
 *
 * @param {Tick} tick
 */
export function trouble({ way }) {
    return troublesOf(way)
        .map((text) => text.replace(/\d[\d.,]*/g, ""))
        .join();
}

/** @param {Way} way */
function troublesOf(way) {
    const late = behind(way);
    const more = late.length - MOST_TOLD;
    const rest = more > 0 ? [`${count(more)} more ${more === 1 ? "falls" : "fall"} behind`] : [];
    return [...late.slice(0, MOST_TOLD), ...rest, ...failing(way, late), ...unserved(way)];
}

/**
 * @param {number | null} incoming
 * @param {number} following
 */
function comes(incoming, following) {
    if (incoming === null) {
        return "How many events come in is not known yet";
    }
    if (!flows(incoming)) {
        return "No events come in";
    }
    const [amount, time] = pace(incoming);
    const more = Math.round(following * (time === "second" ? 1 : 60));
    const follow = more ? ` and ${count(more)} ${more === 1 ? "follows" : "follow"} from them` : "";
    return `${plural(amount, "event")} a ${time} ${amount === 1 ? "comes" : "come"} in${follow}`;
}

/**
 * Whether as much as one a minute comes.
 *
 * @param {number | null} incoming
 */
function flows(incoming) {
    return incoming !== null && Math.round(incoming * 60) > 0;
}

/**
 * A rate in whole events.
 *
 * @param {number} x
 * @returns {[number, string]}
 */
function pace(x) {
    return x >= 0.95 ? [Math.round(x), "second"] : [Math.round(x * 60), "minute"];
}

/**
 * Requests that were not as they should be: where nothing comes in, they are why.
 *
 * @param {Way} way
 */
function refused({ links }) {
    const sum = links.reduce((all, link) => all + link.refused, 0);
    return sum > 0 ? [`Requests are refused, ${often(sum)}`] : [];
}

/**
 * Requests that fail, by who should have answered them.
 *
 * @param {Way} way
 */
function unserved({ nodes, links }) {
    return nodes.flatMap(({ id, name }) => {
        const asked = links.filter(({ to, kind, errors }) => to === id && kind === "request" && errors > 0);
        const sum = asked.reduce((all, { errors }) => all + errors, 0);
        return sum > 0 ? [`Requests to ${name} fail, ${often(sum)}`] : [];
    });
}

/** @param {Way} way */
function behind({ nodes, links }) {
    return nodes
        .filter((node) => HOLDERS.includes(node.kind) && keepsUp(node) === false)
        .sort((a, b) => (delayOf(b) ?? b.wait_s ?? 0) - (delayOf(a) ?? a.wait_s ?? 0))
        .map((node) => {
            const reader = links.find((link) => link.from === node.id && link.kind !== "follow_up");
            const taker = nodes.find(({ id }) => id === reader?.to) ?? node;
            if (node.backlog === null) {
                return `${taker.name} falls behind: ${uncounted(node)}`;
            }
            const waiting = Math.round(node.backlog ?? 0);
            const wait = `${count(waiting)} ${waiting === 1 ? "waits" : "wait"}`;
            return taker.errors > 0
                ? `${wait} for ${taker.name}, which fails ${often(taker.errors)}`
                : `${taker.name} falls behind: ${wait}, ${howLong(node)}`;
        });
}

/**
 * How it is seen that more waits all the time, where nobody counts what waits.
 *
 * @param {WayNode} node
 */
function uncounted(node) {
    const { arriving, leaving, wait_s: wait } = node;
    const come = surplus(node) ? [`${brief(arriving ?? 0)} a second come and ${brief(leaving ?? 0)} are done`] : [];
    const waited = wait && wait >= 1 ? [`what it takes has waited for ${duration(Math.round(wait))}`] : [];
    return [...come, ...waited].join(", ");
}

/** @param {WayNode} node */
function howLong(node) {
    const seconds = delayOf(node) ?? 0;
    if (node.oldest_age_s !== null) {
        return `the oldest for ${duration(Math.round(seconds))}`;
    }
    return Number.isFinite(seconds) ? `${duration(Math.round(seconds))} of work` : "and none is taken";
}

/**
 * @param {Way} way
 * @param {string[]} told What is said already.
 */
function failing({ nodes }, told) {
    const failed = nodes
        .filter(({ kind, errors }) => kind === "handler" && errors > 0)
        .filter(({ name }) => !told.some((text) => text.includes(` for ${name}, which fails`)));
    const sum = failed.reduce((all, { errors }) => all + errors, 0);
    const names = failed.map(({ name }) => name);
    const all = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)} fail` : `${names[0]} fails`;
    return failed.length ? [`${all}, ${often(sum)}`] : [];
}

/** @param {number} errors Per second. */
function often(errors) {
    return errors >= 1 ? `${brief(errors)} times a second` : `${brief(Math.max(1, errors * 60))} times a minute`;
}

/**
 * What is known of a node, as names and values.
 *
 * @param {WayNode} node
 * @param {number} now
 * @returns {[string, string][]}
 */
export function factsOf(node, now) {
    /** @type {[string, string | null][]} */
    const facts = [
        ["Passes", node.rate === null ? null : rate(node.rate)],
        [HELD[node.kind] ?? "Waiting", node.backlog === null ? null : count(node.backlog)],
        ["Oldest waits for", node.oldest_age_s === null ? null : duration(node.oldest_age_s)],
        ["Comes", node.arriving === null ? null : rate(node.arriving)],
        ["Waited before it was taken", node.wait_s === null ? null : duration(node.wait_s)],
        ["Errors", node.errors > 0 ? rate(node.errors) : null],
        ["99 % take less than", node.p99_s === null ? null : duration(node.p99_s)],
        ["Service", node.service === node.name ? null : node.service],
        ["Last seen", now - node.last > STALE_MS ? ago(node.last, now) : null],
    ];
    return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
}

/**
 * The same in one line, for who cannot see it.
 *
 * @param {WayNode} node
 * @param {number} now
 */
export function spoken(node, now) {
    return factsOf(node, now)
        .map(([name, value]) => `${name.toLowerCase()} ${value}`)
        .join(", ");
}

/** @param {WayLink} link */
export function linkWords({ kind, rate: passing, errors }) {
    const failed = errors > 0 ? `, ${rate(errors)} fail` : "";
    return `${LINKS[kind] ?? kind}: ${passing === null ? "rate not known" : rate(passing)}${failed}`;
}
