/** How many lines there were when, by level; dragging over it or choosing a bar sets the time range. */
import { fill, h, svg } from "../dom.js";
import { count, time } from "../format.js";
import { toneOf } from "./line.js";

/**
 * @typedef {{times: number[], width_ms: number, levels: Record<string, number[]>, complete: boolean}} Counts
 */

/** The graver stands lower, where it is seen however few there are. */
const LEVELS = ["critical", "error", "warning", "info", "debug"];
const TALL = 100;
/** A bar is no thinner than this, of `TALL`: one error among thousands of lines is still seen. */
const LEAST = 3;

export class Histogram {
    /**
     * @param {import("../range.js").Range} range
     * @param {(level: string) => void} choose
     */
    constructor(range, choose) {
        this.range = range;
        this.choose = choose;
        /** @type {Counts | null} */
        this.counts = null;
        this.at = 0;
        this.bars = svg("svg", { class: "logs-bars", preserveAspectRatio: "none", "aria-hidden": "true" });
        this.mark = h("div", { class: "logs-drag", hidden: true });
        this.said = h("span", { class: "logs-said quiet small" });
        this.legend = h("span", { class: "logs-legend small" });
        this.begin = h("span", {});
        this.end = h("span", {});
        this.board = h(
            "div",
            {
                class: "logs-board",
                role: "slider",
                tabindex: 0,
                "aria-label": "Lines over time",
                "aria-valuemin": 0,
                "aria-valuenow": 0,
                "aria-describedby": "logs-keys",
            },
            this.bars,
            this.mark,
        );
        this.element = h(
            "div",
            { class: "logs-histogram" },
            h("div", { class: "logs-over" }, this.legend, this.said),
            this.board,
            h(
                "div",
                { class: "logs-ends quiet small" },
                this.begin,
                h("span", { class: "unseen", id: "logs-keys" }, "Arrows move, Enter looks closer, Escape goes back."),
                this.end,
            ),
        );
        this.board.addEventListener("keydown", (event) => this.key(event));
        this.board.addEventListener("pointermove", (event) => this.point(this.binAt(event)));
        this.board.addEventListener("pointerleave", () => (this.said.textContent = ""));
        this.board.addEventListener("pointerdown", (event) => this.drag(event));
        this.board.addEventListener("dblclick", () => this.range.back());
    }

    /** @param {Counts} counts */
    draw(counts) {
        this.counts = counts;
        const { times, levels, width_ms, complete } = counts;
        const names = Object.keys(levels).sort((a, b) => LEVELS.indexOf(a) - LEVELS.indexOf(b));
        const sums = times.map((_, bin) => names.reduce((sum, name) => sum + levels[name][bin], 0));
        const most = Math.max(1, ...sums);
        this.bars.setAttribute("viewBox", `0 0 ${Math.max(1, times.length)} ${TALL}`);
        fill(
            this.bars,
            times.flatMap((_, bin) => barsOf(names, levels, bin, most)),
        );
        this.begin.textContent = times.length ? time(times[0]) : "";
        this.end.textContent = times.length ? time(times[times.length - 1] + width_ms) : "";
        const more = complete ? "" : "+";
        fill(
            this.legend,
            names.map((name) => this.level(name, `${count(total(levels[name]))}${more}`)),
        );
        this.at = Math.min(this.at, Math.max(0, times.length - 1));
        this.board.setAttribute("aria-valuemax", String(Math.max(0, times.length - 1)));
        this.tell();
    }

    /**
     * @param {string} name
     * @param {string} lines
     */
    level(name, lines) {
        const sample = h("span", { class: `logs-sample ${toneOf(name)}` });
        return h(
            "button",
            { type: "button", class: "plain", title: `Only level ${name}`, onclick: () => this.choose(name) },
            sample,
            `${name} ${lines}`,
        );
    }

    /** @param {number} bin */
    point(bin) {
        this.at = bin;
        this.said.textContent = this.tell();
    }

    tell() {
        const { counts, at } = this;
        const begin = counts?.times[at];
        if (!counts || begin === undefined) {
            return "";
        }
        const lines = Object.entries(counts.levels).map(([name, of]) => `${count(of[at])} ${name}`);
        const words = `${time(begin)} – ${time(begin + counts.width_ms)}: ${lines.join(", ") || "no lines"}`;
        this.board.setAttribute("aria-valuenow", String(at));
        this.board.setAttribute("aria-valuetext", words);
        return words;
    }

    /** @param {KeyboardEvent} event */
    key(event) {
        const last = (this.counts?.times.length ?? 1) - 1;
        /** @type {Record<string, () => void>} */
        const acts = {
            ArrowLeft: () => this.point(Math.max(0, this.at - 1)),
            ArrowRight: () => this.point(Math.min(last, this.at + 1)),
            Home: () => this.point(0),
            End: () => this.point(last),
            Enter: () => this.zoom(this.at, this.at),
            Escape: () => this.range.back(),
        };
        if (acts[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            acts[event.key]();
        }
    }

    /** @param {PointerEvent} event */
    drag(event) {
        if (event.button !== 0 || !this.counts?.times.length) {
            return;
        }
        const begin = this.binAt(event);
        let end = begin;
        const show = () => {
            const bins = this.counts?.times.length ?? 1;
            this.mark.hidden = false;
            this.mark.style.left = `${(Math.min(begin, end) / bins) * 100}%`;
            this.mark.style.width = `${((Math.abs(end - begin) + 1) / bins) * 100}%`;
        };
        const move = (/** @type {PointerEvent} */ moved) => ((end = this.binAt(moved)), show());
        this.board.setPointerCapture(event.pointerId);
        this.board.addEventListener("pointermove", move);
        this.board.addEventListener(
            "pointerup",
            () => {
                this.board.removeEventListener("pointermove", move);
                this.mark.hidden = true;
                this.zoom(Math.min(begin, end), Math.max(begin, end));
            },
            { once: true },
        );
        show();
    }

    /**
     * @param {number} first
     * @param {number} last
     */
    zoom(first, last) {
        const { times, width_ms } = this.counts ?? { times: [], width_ms: 0 };
        if (times.length) {
            this.range.zoom(times[first], times[last] + width_ms);
        }
    }

    /** @param {MouseEvent} event */
    binAt({ clientX }) {
        const { left, width } = this.board.getBoundingClientRect();
        const bins = this.counts?.times.length ?? 1;
        return Math.min(bins - 1, Math.max(0, Math.floor(((clientX - left) / width) * bins)));
    }
}

/**
 * @param {string[]} names
 * @param {Counts["levels"]} levels
 * @param {number} bin
 * @param {number} most
 */
function barsOf(names, levels, bin, most) {
    let below = TALL;
    return names
        .filter((name) => levels[name][bin] > 0)
        .map((name) => {
            const height = Math.max(LEAST, (levels[name][bin] / most) * TALL);
            below -= height;
            return svg("rect", { class: toneOf(name), x: bin + 0.08, y: below, width: 0.84, height });
        });
}

/** @param {number[]} values */
function total(values) {
    return values.reduce((sum, value) => sum + value, 0);
}
