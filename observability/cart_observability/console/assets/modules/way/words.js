/** What is going on, in words: the sentence above the map, and what a node or a link says of itself. */
import { ago, count, duration, number, plural, rate } from "../format.js";

/**
 * @typedef {import("../live.js").Tick} Tick
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {import("../live.js").WayLink} WayLink
 */

/** Where events wait; what waits in other parts is in work. */
export const HOLDERS = ["store", "queue"];
/** So many waiting are not there by chance. */
const MANY = 10;
/** Of those that fall behind: those that do most. */
const MOST_TOLD = 2;
/** What waits for longer has fallen behind. */
const BEHIND_S = 3;
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
 * "21 events a second come in, all handlers keep up."
 *
 * @param {Tick} tick
 */
export function sentence({ figures, way }) {
    const troubles = troublesOf(figures, way);
    const handlers = Object.keys(figures.handlers).length;
    const fine = handlers === 0 ? "" : handlers === 1 ? ", the handler keeps up" : ", all handlers keep up";
    return [incoming(figures.arrival_rate) + (troubles.length ? "" : fine), ...troubles]
        .map((text) => `${text}.`)
        .join(" ");
}

/**
 * Who is in trouble: when this changes, it is worth to be said aloud.
 *
 * @param {Tick} tick
 */
export function trouble({ figures, way }) {
    return troublesOf(figures, way)
        .map((text) => text.replace(/\d[\d.,]*/g, ""))
        .join();
}

/**
 * @param {Tick["figures"]} figures
 * @param {Way} way
 */
function troublesOf(figures, way) {
    const late = behind(way);
    const more = late.length - MOST_TOLD;
    const rest = more > 0 ? [`${count(more)} more ${more === 1 ? "falls" : "fall"} behind`] : [];
    return [...late.slice(0, MOST_TOLD), ...rest, ...failing(figures, late)];
}

/** @param {number | null} arriving */
function incoming(arriving) {
    if (arriving === null) {
        return "How many events come in is not known yet";
    }
    if (arriving >= 0.95) {
        return `${plural(Math.round(arriving), "event")} a second ${Math.round(arriving) === 1 ? "comes" : "come"} in`;
    }
    const minute = Math.round(arriving * 60);
    return minute ? `${plural(minute, "event")} a minute ${minute === 1 ? "comes" : "come"} in` : "No events come in";
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

/** @param {Way} way */
function behind({ nodes, links }) {
    const late = nodes.filter((node) => HOLDERS.includes(node.kind) && (node.backlog ?? 0) >= 1);
    return late
        .filter((node) => (delayOf(node) ?? 0) >= BEHIND_S)
        .sort((a, b) => (delayOf(b) ?? 0) - (delayOf(a) ?? 0))
        .map((node) => {
            const reader = links.find((link) => link.from === node.id && link.kind !== "follow_up");
            const taker = nodes.find(({ id }) => id === reader?.to) ?? node;
            const waiting = Math.round(node.backlog ?? 0);
            const wait = `${count(waiting)} ${waiting === 1 ? "waits" : "wait"}`;
            return taker.errors > 0
                ? `${wait} for ${taker.name}, which fails ${often(taker.errors)}`
                : `${taker.name} falls behind: ${wait}, ${howLong(node)}`;
        });
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
 * @param {Tick["figures"]} figures
 * @param {string[]} told What is said already.
 */
function failing({ handlers }, told) {
    const failed = Object.entries(handlers).filter(
        ([name, { errors }]) => (errors ?? 0) > 0 && !told.some((text) => text.includes(` for ${name}, which fails`)),
    );
    const sum = failed.reduce((all, [, { errors }]) => all + (errors ?? 0), 0);
    const names = failed.map(([name]) => name);
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
