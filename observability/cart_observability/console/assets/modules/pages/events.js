/** The list of events: the newest first, each with what became of it. */
import { h } from "../dom.js";
import { Filters, filtersOf } from "../events/filters.js";
import { COLUMNS, head, refresh, row } from "../events/row.js";
import { Feed } from "../feed.js";
import { following } from "../following.js";
import { WindowedList } from "../windowed.js";

/**
 * @typedef {import("../shapes.js").Event} Event
 * @typedef {import("../shapes.js").Context} Context
 */

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function show(root, context) {
    const { address, live, range } = context;
    const filters = new Filters(context);
    const list = listOf(address, () => feed.older());
    const feed = new Feed(list, { ...questions(context), changed: () => draw(), failed: (error) => draw(error) });
    const { follow, news, draw: drawFollowing } = following(() => feed, context, "events");
    const note = h("p", { class: "quiet events-note", role: "status" });
    const types = new Set();

    /** @param {unknown} [error] */
    const draw = (error) => {
        drawFollowing();
        feed.items.forEach(({ type }) => type && types.add(type));
        filters.know(types, handlersOf(context));
        note.textContent = error instanceof Error ? error.message : emptiness(feed, address);
        note.hidden = !note.textContent;
    };
    feed.paused = address.current.parameters.follow === "no";
    root.append(
        h(
            "div",
            { class: "toolbar events-toolbar", role: "search", "aria-label": "Filter events" },
            filters.elements,
            h("span", { class: "push" }),
            news,
            follow,
        ),
        list.element,
        note,
    );
    filters.draw();
    const ends = [
        live.subscribe(({ newest }) => void (range.live && feed.heard(newest.event))),
        live.onState((_, before) => void (before === "lost" && !feed.paused && feed.restart())),
        address.onChange((now, before) => {
            filters.draw();
            if (asked(now.parameters) !== asked(before.parameters)) {
                feed.restart();
            }
        }),
        range.onChange(() => void feed.restart()),
        () => feed.close(),
        () => list.close(),
    ];
    feed.restart();
    return () => ends.forEach((end) => end());
}

/**
 * @param {Context["address"]} address
 * @param {() => void} onEnd
 * @returns {WindowedList<Event>}
 */
function listOf(address, onEnd) {
    const list = new WindowedList({
        label: "Events, the newest first",
        role: "table",
        head: head(),
        key: (/** @type {Event} */ event) => event.id,
        make: (event) => row(event, address),
        update: refresh,
        onEnd,
    });
    list.element.setAttribute("aria-colcount", String(COLUMNS.length));
    return list;
}

/** @param {Context} context */
function questions({ api, address, range }) {
    return {
        /**
         * @param {{before?: number, after?: number, limit: number}} cursor
         * @param {AbortSignal} signal
         */
        ask: async (cursor, signal) => {
            const { from, to } = range.bounds();
            const times = { from, to: range.live ? null : to };
            const { events, more } = await api.get(
                "/api/events",
                { ...filtersOf(address), ...times, ...cursor },
                signal,
            );
            return { items: /** @type {Event[]} */ (events), more };
        },
        key: (/** @type {Event} */ event) => event.id,
        cursor: (/** @type {Event} */ event) => event.revision,
        order: (/** @type {Event} */ a, /** @type {Event} */ b) => b.time - a.time,
    };
}

/** @param {Record<string, string>} parameters */
function asked({ type, handler, outcome, subject, id }) {
    return JSON.stringify([type, handler, outcome, subject, id]);
}

/** @param {Context} context */
function handlersOf({ live }) {
    return Object.keys(live.last?.figures.handlers ?? {});
}

/**
 * @param {Feed<Event>} feed
 * @param {Context["address"]} address
 */
function emptiness(feed, address) {
    if (feed.items.length) {
        return "";
    }
    if (feed.loading) {
        return "Asking …";
    }
    return Object.keys(filtersOf(address)).length
        ? "No event of this time range is like that."
        : "No event was seen in this time range.";
}

export default { title: "Events", style: "/styles/events.css", show };
