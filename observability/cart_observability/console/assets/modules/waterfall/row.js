/** One span in the waterfall: its name, how it waited and how it worked. */
import { h } from "../dom.js";
import { milliseconds } from "../format.js";

/**
 * @typedef {import("../shapes.js").Span} Span
 * @typedef {{left: (time: number) => number, colour: (service: string) => string}} Look `left`: in percent.
 */

/** Beyond it, a bar's own figure stands before it. */
const RIGHT_PERCENT = 82;

export class SpanRow {
    /** @param {Span} span */
    constructor(span) {
        this.span = span;
        this.fold = h("span", { class: "waterfall-fold", "aria-hidden": "true" });
        this.wait = h("span", { class: "waterfall-wait" });
        this.bar = h("span", { class: "waterfall-bar" });
        this.took = h("span", { class: "waterfall-took" });
        this.chip = h("span", { class: "waterfall-chip", "aria-hidden": "true" });
        const name = h(
            "span",
            {
                class: "waterfall-name",
                role: "gridcell",
                title: `${span.service}: ${span.name}`,
                style: { "--depth": Math.min(span.depth, 12) },
            },
            this.fold,
            this.chip,
            span.error !== null && h("span", { class: "bad" }, "✕ "),
            span.name,
            h("span", { class: "quiet small" }, ` ${span.service}`),
            h("span", { class: "unseen" }, spoken(span)),
        );
        this.lane = h("span", { class: "waterfall-lane", "aria-hidden": "true" }, this.wait, this.bar, this.took);
        this.line = h(
            "div",
            { class: "waterfall-line", role: "row", tabindex: -1, "aria-level": span.depth + 1 },
            name,
            this.lane,
        );
        this.element = h("div", { class: ["waterfall-row", span.error !== null && "failed"], role: "none" }, this.line);
        this.element.dataset.span = span.span_id;
    }

    /**
     * @param {Look} look
     * @param {boolean | null} folded Null where nothing is below it.
     */
    draw({ left, colour }, folded) {
        const { start, duration_ms, waited_ms, service } = this.span;
        const [from, to] = [left(start), left(start + duration_ms)];
        const tone = `var(${colour(service)})`;
        this.chip.style.background = tone;
        this.bar.style.background = tone;
        place(this.bar, from, to);
        const begin = left(start - (waited_ms ?? 0));
        this.wait.hidden = !waited_ms;
        if (waited_ms) {
            place(this.wait, begin, from);
            this.wait.title = `waited ${milliseconds(waited_ms)}`;
        }
        this.took.textContent = milliseconds(duration_ms);
        const before = to > RIGHT_PERCENT;
        this.took.classList.toggle("before", before);
        this.took.style.left = before ? "auto" : `${Math.max(0, to)}%`;
        this.took.style.right = before ? `${100 - Math.max(0, Math.min(100, begin))}%` : "auto";
        this.took.hidden = to < 0 || from > 100;
        this.fold.textContent = folded === null ? "" : folded ? "▸" : "▾";
        if (folded === null) {
            this.line.removeAttribute("aria-expanded");
        } else {
            this.line.setAttribute("aria-expanded", String(!folded));
        }
    }
}

/**
 * @param {HTMLElement} bar
 * @param {number} from
 * @param {number} to
 */
function place(bar, from, to) {
    // Far out of sight, a browser's own limits would make it come in again.
    const [left, right] = [Math.max(-200, Math.min(300, from)), Math.max(-200, Math.min(300, to))];
    bar.style.left = `${left}%`;
    bar.style.width = `${Math.max(0, right - left)}%`;
}

/** @param {Span} span */
function spoken({ duration_ms, waited_ms, error }) {
    const waited = waited_ms ? `waited ${milliseconds(waited_ms)}, then ` : "";
    return `, ${waited}took ${milliseconds(duration_ms)}${error === null ? "" : `, failed: ${error}`}`;
}
