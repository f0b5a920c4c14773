/** The logs: searched, counted over time, followed, and narrowed by what is in them. */
import { h } from "../dom.js";
import { Feed } from "../feed.js";
import { following } from "../following.js";
import { Around } from "../logs/around.js";
import { Fields } from "../logs/fields.js";
import { Histogram } from "../logs/histogram.js";
import { lineRow } from "../logs/line.js";
import { Search } from "../logs/search.js";
import { narrowed, term } from "../logs/terms.js";
import { WindowedList } from "../windowed.js";

/**
 * @typedef {import("../shapes.js").Line} Line
 * @typedef {import("../shapes.js").Context} Context
 */

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function show(root, context) {
    const { address, live, range, say } = context;
    const query = () => address.current.parameters.q ?? "";
    const ask = (/** @type {string} */ q) => (q === query() ? again() : address.set({ q }));
    const narrow = (/** @type {string} */ field, /** @type {string} */ value, /** @type {boolean} */ without) =>
        ask(narrowed(query(), term(field, value), without));
    const search = new Search(ask, () => around.refresh());
    const histogram = new Histogram(range, (level) => narrow("log.level", level, false));
    const fields = new Fields(narrow);
    const list = listOf(context, narrow, () => feed.older());
    const feed = new Feed(list, {
        ...questions(context, query),
        changed: () => draw(),
        failed: (error) => fail(error),
    });
    const { follow, news, draw: drawFollowing } = following(() => feed, context, "lines");
    const note = h("p", { class: "quiet", role: "status" });
    const around = new Around(context, query, histogram, fields, search);

    const draw = () => {
        drawFollowing();
        note.textContent = feed.items.length
            ? ""
            : feed.loading || feed.more
              ? "Searching …"
              : "No line of this time range is like that.";
        note.hidden = feed.items.length > 0 || !search.failure.hidden;
    };
    const fail = (/** @type {unknown} */ error) => (search.fail(error, query()), draw());
    const again = async () => {
        search.show(query());
        around.close();
        await feed.restart();
        if (!feed.loading && !feed.refused) {
            around.restart();
            say(feed.items.length ? "Lines found" : "No lines found");
        }
    };
    feed.paused = address.current.parameters.follow === "no";
    root.append(
        h("div", { class: "toolbar" }, search.form, news, follow),
        search.failure,
        h(
            "div",
            { class: "logs" },
            fields.element,
            h("div", { class: "logs-main" }, histogram.element, list.element, note),
        ),
    );
    const ends = [
        live.subscribe(
            ({ newest }) => void (range.live && !feed.refused && (feed.heard(newest.line), around.refresh())),
        ),
        live.onState((_, before) => void (before === "lost" && !feed.paused && again())),
        address.onChange((now, before) => void (now.parameters.q !== before.parameters.q && again())),
        range.onChange(() => void again()),
        () => feed.close(),
        () => list.close(),
        () => around.close(),
    ];
    again();
    return () => ends.forEach((end) => end());
}

/**
 * @param {Context} context
 * @param {import("../logs/line.js").Narrow} narrow
 * @param {() => void} onEnd
 * @returns {WindowedList<Line>}
 */
function listOf({ address }, narrow, onEnd) {
    /** @type {Set<number>} */
    const open = new Set();
    const toggle = (/** @type {Line} */ line) => {
        open.has(line.id) ? open.delete(line.id) : open.add(line.id);
        const element = list.space.querySelector(`[data-key="${line.id}"]`);
        const next = make(line);
        next.setAttribute("data-key", String(line.id));
        element?.replaceWith(next);
        list.measure();
        next.querySelector("button")?.focus({ preventScroll: true });
    };
    const make = (/** @type {Line} */ line) => lineRow(line, { address, open: open.has(line.id), toggle, narrow });
    /** @type {WindowedList<Line>} */
    const list = new WindowedList({
        label: "Log lines, the newest first",
        role: "list",
        key: ({ id }) => String(id),
        make,
        onEnd,
    });
    return list;
}

/**
 * @param {Context} context
 * @param {() => string} query
 */
function questions({ api, range }, query) {
    return {
        /**
         * @param {{before?: number, after?: number, limit: number}} cursor
         * @param {AbortSignal} signal
         */
        ask: async (cursor, signal) => {
            const { from, to } = range.bounds();
            const asked = { q: query() || null, from, to: range.live ? null : to, ...cursor };
            const { lines, more, before } = await api.get("/api/lines", asked, signal);
            return { items: /** @type {Line[]} */ (lines), more, before };
        },
        key: (/** @type {Line} */ line) => String(line.id),
        cursor: (/** @type {Line} */ line) => line.id,
        order: (/** @type {Line} */ a, /** @type {Line} */ b) => b.id - a.id,
    };
}

export default { title: "Logs", style: "/styles/logs.css", show };
