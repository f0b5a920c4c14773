/** Says whether what is seen is so: the connection, how far behind it is, and which source is silent. */
import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, bytes, count, dateTime, milliseconds, plural } from "../format.js";

/**
 * @typedef {import("../live.js").Live} Live
 * @typedef {import("../live.js").Source} Source
 * @typedef {import("../pages.js").Overview} Overview
 */

const WHAT = { metrics: "metrics", logs: "log lines", traces: "spans" };
const COLUMNS = ["Source", "State", "Last", "Received", "Dropped", "Refused"];

/**
 * @param {Live} live
 * @param {(text: string) => void} say
 * @returns {HTMLElement}
 */
export function state(live, say) {
    const text = h("span", {}, "connecting");
    const panel = h("div", { class: "shell-panel", id: "sources", popover: "auto" });
    const button = h(
        "button",
        { type: "button", class: "shell-state", popovertarget: "sources" },
        text,
    );
    const draw = () => {
        const seen = seenOf(live);
        button.dataset.state = seen.state;
        text.textContent = seen.text;
        button.title = `${seen.text}: connection and sources`;
        if (panel.matches(":popover-open")) {
            drawSources(panel, live);
        }
    };
    panel.addEventListener("beforetoggle", () => drawPanel(panel, live));
    live.subscribe(draw);
    live.onState((now, before) => {
        draw();
        if (now === "lost" || before === "lost") {
            say(now === "lost" ? "Connection lost, trying again" : "Connected");
        }
    });
    return h("div", {}, button, panel);
}

/**
 * @param {Live} live
 * @returns {{state: string, text: string}}
 */
function seenOf(live) {
    if (live.state === "lost") {
        return { state: "lost", text: live.last ? "connection lost, trying again" : "connecting" };
    }
    if (live.state === "behind") {
        const ms = Math.max(live.last?.behind_ms ?? 0, live.late);
        return { state: "behind", text: `behind by ${milliseconds(Math.round(ms / 1_000) * 1_000)}` };
    }
    const silent = live.last?.sources.filter((source) => source.state === "silent") ?? [];
    if (silent.length) {
        const rest = silent.length > 1 ? ` and ${silent.length - 1} more` : "";
        return { state: "silent", text: silence(silent[0], live.now()) + rest };
    }
    return { state: "live", text: "live" };
}

/**
 * @param {Source} source
 * @param {number} now
 */
function silence(source, now) {
    const since = source.last === null ? "" : ` for ${milliseconds(Math.round((now - source.last) / 1_000) * 1_000)}`;
    return `no ${WHAT[source.kind]} from ${source.name}${since}`;
}

/**
 * @param {HTMLElement} panel
 * @param {Live} live
 */
function drawPanel(panel, live) {
    const keeping = h("section", {});
    fill(panel, h("section", { class: "shell-sources" }), keeping);
    drawSources(panel, live);
    get("/api/overview").then(
        (overview) => drawKeeping(keeping, overview),
        () => undefined,
    );
}

/**
 * @param {HTMLElement} panel
 * @param {Live} live
 */
function drawSources(panel, live) {
    const section = panel.querySelector(".shell-sources");
    const sources = live.last?.sources ?? [];
    if (section) {
        fill(section, h("h2", {}, "Sources"), sources.length ? table(sources, live.now()) : "Nothing was heard yet.");
    }
}

/**
 * @param {Source[]} sources
 * @param {number} now
 */
function table(sources, now) {
    const numbers = COLUMNS.slice(3);
    return h(
        "div",
        { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Sources" },
        h(
            "table",
            {},
            h(
                "thead",
                {},
                h(
                    "tr",
                    {},
                    COLUMNS.map((name) => h("th", numbers.includes(name) ? { class: "number" } : {}, name)),
                ),
            ),
            h(
                "tbody",
                {},
                sources.map((source) => row(source, now)),
            ),
        ),
    );
}

/**
 * @param {Source} source
 * @param {number} now
 */
function row(source, now) {
    const look = { fresh: "badge good", silent: "badge warn", never: "badge" }[source.state];
    return h(
        "tr",
        {},
        h(
            "td",
            {},
            `${WHAT[source.kind]} from ${source.name}`,
            source.detail && h("div", { class: "quiet small" }, source.detail),
        ),
        h("td", {}, h("span", { class: look }, source.state === "never" ? "not heard" : source.state)),
        h("td", {}, source.last === null ? "never" : ago(source.last, now)),
        h("td", { class: "number" }, count(source.received)),
        h("td", { class: source.dropped ? "number bad" : "number" }, count(source.dropped)),
        h("td", { class: source.refused ? "number bad" : "number" }, count(source.refused)),
    );
}

/**
 * @param {HTMLElement} section
 * @param {Overview} overview
 */
function drawKeeping(section, overview) {
    const { bounds, size, oldest, started } = overview;
    fill(
        section,
        h("h2", {}, "Kept"),
        h("p", {}, `${bytes(size)} of at most ${bytes(bounds.bytes)}${age(bounds.age_ms)}.`),
        h(
            "dl",
            {},
            h("dt", {}, "Console started"),
            h("dd", {}, dateTime(started)),
            h("dt", {}, "Oldest kept"),
            h("dd", {}, oldest === null ? "nothing yet" : dateTime(oldest)),
        ),
        overview.links.length > 0 && links(overview.links),
    );
}

/** @param {number | null} ms */
function age(ms) {
    return ms === null ? "" : `, no older than ${milliseconds(ms)}`;
}

/** @param {Overview["links"]} list */
function links(list) {
    return h(
        "ul",
        { "aria-label": plural(list.length, "link") },
        list
            .filter(({ url }) => /^https?:\/\//.test(url))
            .map(({ title, url, about }) =>
                h("li", {}, h("a", { href: url, rel: "noreferrer", target: "_blank" }, title), ` ${about}`),
            ),
    );
}
