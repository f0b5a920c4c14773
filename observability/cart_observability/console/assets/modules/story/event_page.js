/** One event's story. */
import { h } from "../dom.js";
import { shortId } from "../format.js";
import { lineRow } from "../logs/line.js";
import { followUpTree } from "./kin.js";
import { LATE_MS, OFTEN_MS, Page, SELDOM_MS } from "./page.js";
import { summary, underWay } from "./summary.js";
import { timeline } from "./timeline.js";

/**
 * @typedef {import("../shapes.js").Context} Context
 * @typedef {import("../shapes.js").Line} Line
 * @typedef {import("../shapes.js").Story} Story
 */

export class EventPage extends Page {
    /** @override */
    elements() {
        const section = (/** @type {string} */ name) => h("section", { class: `card story-${name}` });
        this.head = h("div", {});
        this.steps = section("way");
        this.content = section("content");
        this.kin = section("kin");
        this.trace = section("trace");
        this.trace.append(h("h2", {}, "Trace"), this.waterfall.element);
        this.lines = section("lines");
        const aside = h("div", { class: "story-aside" }, this.kin, this.content);
        return [this.head, h("div", { class: "story-columns" }, this.steps, aside), this.trace, this.lines];
    }

    /**
     * @override
     * @param {Story} story
     */
    draw(story) {
        const { event, content, steps, follow_ups, trace, lines } = story;
        const { heading, address, live } = this.context;
        const { parts, head, kin, content: place, steps: way, trace: section, lines: log } = this;
        if (head && kin && place && way && section && log) {
            heading(event.type ?? `Event ${shortId(event.id)}`);
            parts.draw(head, event, () => [summary(event, this.context)]);
            parts.draw(way, steps, () => [
                h("h2", {}, "What happened"),
                steps.length
                    ? timeline(steps, (id) => this.waterfall.select(id))
                    : "Nothing was seen of it but its id.",
            ]);
            parts.draw(kin, follow_ups, () => {
                const tree = followUpTree(event, follow_ups, address);
                return [tree && h("h2", {}, "Followed by"), tree];
            });
            parts.draw(place, content, () =>
                content === null ? [] : [h("h2", {}, "Content"), payload(content)],
            );
            parts.draw(
                log,
                lines.map(({ id }) => id),
                () => linesOf(lines, event.trace_id, this.context),
            );
            section.hidden = !trace?.spans.length;
            if (trace?.spans.length) {
                this.waterfall.update(trace);
                this.goToSpan();
            }
        }
        const fresh = live.now() - Math.max(event.last, ...follow_ups.map(({ last }) => last)) < LATE_MS;
        return fresh || [event, ...follow_ups].some(underWay) ? OFTEN_MS : SELDOM_MS;
    }
}

/**
 * @param {Line[]} lines
 * @param {string | null} traceId
 * @param {Context} context
 */
function linesOf(lines, traceId, { address }) {
    const row = (/** @type {Line} */ line, open = false) => {
        const element = lineRow(line, {
            address,
            open,
            toggle: () => {
                const next = row(line, !open);
                element.replaceWith(next);
                next.querySelector("button")?.focus({ preventScroll: true });
            },
        });
        return element;
    };
    const all =
        traceId && h("a", { href: address.link("logs", null, { q: `trace.id:${traceId}` }) }, "Search among them");
    return lines.length
        ? [
              h("h2", {}, "Log lines"),
              h(
                  "div",
                  { role: "list", "aria-label": "Log lines" },
                  lines.map((line) => row(line)),
              ),
              all || null,
          ]
        : [];
}

/** @param {object} content */
function payload(content) {
    const about = { tabindex: 0, role: "region", "aria-label": "Content" };
    return h("pre", about, JSON.stringify(content, null, 2));
}
