/** A trace as a waterfall: what worked when, and where it waited meanwhile. */
import { fill, h, keep } from "./dom.js";
import { plural } from "./format.js";
import { amount } from "./waterfall/amount.js";
import { Axis, mostlyIdle } from "./waterfall/axis.js";
import { details } from "./waterfall/details.js";
import { shortened, ticks } from "./waterfall/grid.js";
import { legendKey } from "./waterfall/legend.js";
import { above, hasChildren, unfolded } from "./waterfall/outline.js";
import { SpanRow } from "./waterfall/row.js";
import { Window } from "./waterfall/window.js";

/**
 * @typedef {import("./shapes.js").Trace} Trace
 * @typedef {import("./shapes.js").Span} Span
 */

const TICKS = { wide: 5, narrow: 3 };
const NARROW_PX = 500;
/** More rows than this are drawn only when asked for. */
const MOST_ROWS = 400;
const COLOURS = 8;
const HELP =
    "↑ ↓ go from span to span, ← → fold and unfold, Enter shows details, + − zoom, 0 shows all, Shift with ← → moves. " +
    "Drag over the time axis to zoom in.";

export class Waterfall {
    /** @param {import("./address.js").Address} address */
    constructor(address) {
        this.address = address;
        /** @type {Trace | null} */
        this.trace = null;
        this.shortens = false;
        this.most = MOST_ROWS;
        /** @type {Set<string>} */
        this.folded = new Set();
        /** @type {Set<string>} */
        this.open = new Set();
        /** @type {Map<string, SpanRow>} */
        this.rows = new Map();
        /** @type {string[]} */
        this.services = [];
        this.current = "";
        this.window = new Window(() => this.draw());
        this.ruler = h("div", { class: "waterfall-ruler" });
        this.grid = h("div", { class: "waterfall-grid", "aria-hidden": "true" });
        this.drag = h("div", { class: "waterfall-drag", hidden: true });
        this.tree = h("div", {
            role: "treegrid",
            class: "waterfall-tree",
            "aria-label": "Spans",
            "aria-describedby": "waterfall-keys",
        });
        this.rest = h("button", { type: "button", hidden: true, onclick: () => ((this.most = Infinity), this.draw()) });
        this.partial = h("p", { class: "quiet small", hidden: true });
        this.legend = h("span", { class: "waterfall-legend" });
        this.shorten = h(
            "button",
            { type: "button", onclick: () => ((this.shortens = !this.shortens), this.draw()) },
            "Shorten idle times",
        );
        const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ onclick) =>
            h("button", { type: "button", title, "aria-label": title, onclick }, text);
        const board = h(
            "div",
            { class: "waterfall-board" },
            h("div", { class: "waterfall-over" }, this.ruler, this.grid, this.drag),
            this.tree,
        );
        this.element = h(
            "div",
            { class: "waterfall" },
            h(
                "div",
                { class: "toolbar" },
                this.legend,
                h("span", { class: "push" }),
                this.shorten,
                button("+", "Zoom in", () => this.window.zoom(true)),
                button("−", "Zoom out", () => this.window.zoom(false)),
                button("Whole", "Show the whole trace", () => this.window.show(0, 1)),
            ),
            board,
            this.rest,
            this.partial,
            h("p", { class: "quiet small", id: "waterfall-keys" }, HELP),
        );
        this.window.listen(this.ruler, this.drag);
        this.tree.addEventListener("keydown", (event) => this.key(event));
        this.tree.addEventListener("click", (event) => this.click(event));
    }

    get spans() {
        return this.trace?.spans ?? [];
    }

    /** The spans that are not folded away. */
    get seen() {
        return unfolded(this.spans, this.folded);
    }

    /** @param {Trace} trace The same one again may have grown. */
    update(trace) {
        if (!this.trace) {
            this.shortens = mostlyIdle(trace);
        }
        this.trace = trace;
        this.services = [...new Set(trace.spans.map(({ service }) => service))];
        for (const span of trace.spans) {
            const row = this.rows.get(span.span_id);
            if (row && JSON.stringify(row.span) !== JSON.stringify(span)) {
                row.element.remove();
                this.rows.delete(span.span_id);
            }
        }
        this.draw();
    }

    /**
     * Open a span's details and go there.
     *
     * @param {string} id
     */
    select(id) {
        const { spans } = this;
        const chosen = spans.find((span) => span.span_id === id);
        if (chosen) {
            this.most = Math.max(this.most, spans.indexOf(chosen) + 1);
            above(spans, chosen).forEach((span) => this.folded.delete(span.span_id));
            this.open.add(id);
            this.draw();
            this.focus(id);
        }
    }

    draw() {
        const { trace, window } = this;
        if (!trace) {
            return;
        }
        const axis = new Axis(trace, this.shortens);
        const look = {
            left: (/** @type {number} */ time) => window.at(axis.at(time)) * 100,
            colour: (/** @type {string} */ service) => `--series-${(this.services.indexOf(service) % COLOURS) + 1}`,
        };
        this.shorten.setAttribute("aria-pressed", String(this.shortens));
        fill(this.ruler, ticks(axis, window, this.ruler.clientWidth < NARROW_PX ? TICKS.narrow : TICKS.wide));
        fill(this.grid, shortened(axis, window));
        fill(
            this.legend,
            this.services.map((service) => legendKey(`var(${look.colour(service)})`, service)),
            legendKey(null, "waiting"),
        );
        const seen = this.seen;
        this.rest.hidden = seen.length <= this.most;
        this.partial.hidden = trace.left_out === 0;
        this.partial.textContent = `These are the first ${amount(trace)}.`;
        this.rest.textContent = `Show ${plural(seen.length - this.most, "more span")}`;
        const shown = seen.slice(0, this.most);
        if (!shown.some(({ span_id }) => span_id === this.current)) {
            this.current = shown[0]?.span_id ?? "";
        }
        keep(
            this.tree,
            shown,
            ({ span_id }) => span_id,
            (span) => this.row(span).element,
        );
        for (const span of shown) {
            this.row(span).draw(look, hasChildren(this.spans, span) ? this.folded.has(span.span_id) : null);
            this.reveal(span, trace.start);
        }
    }

    /** @param {Span} span */
    row(span) {
        const row = this.rows.get(span.span_id) ?? new SpanRow(span);
        this.rows.set(span.span_id, row);
        return row;
    }

    /**
     * @param {Span} span
     * @param {number} begin
     */
    reveal(span, begin) {
        const { element, line } = this.row(span);
        const shown = element.querySelector(".waterfall-open");
        const open = this.open.has(span.span_id);
        line.tabIndex = span.span_id === this.current ? 0 : -1;
        element.classList.toggle("open", open);
        if (open && !shown) {
            element.append(details(span, begin, this.address));
        } else if (!open) {
            shown?.remove();
        }
    }

    /** @param {string} id */
    focus(id) {
        this.current = id;
        this.rows.forEach(({ line, span }) => (line.tabIndex = span.span_id === id ? 0 : -1));
        const row = this.rows.get(id);
        row?.line.focus({ preventScroll: true });
        row?.element.scrollIntoView({ block: "nearest" });
    }

    /**
     * @param {Set<string>} set
     * @param {string} id
     * @param {boolean} [on]
     */
    toggle(set, id, on = !set.has(id)) {
        on ? set.add(id) : set.delete(id);
        this.draw();
    }

    /** @param {MouseEvent} event */
    click({ target }) {
        const line = target instanceof Element ? target.closest(".waterfall-line") : null;
        const id = line?.parentElement?.dataset.span;
        if (id && target instanceof Element) {
            this.focus(id);
            this.toggle(
                target.closest(".waterfall-fold") && this.rows.get(id)?.fold.textContent ? this.folded : this.open,
                id,
            );
        }
    }

    /** @param {KeyboardEvent} event */
    key(event) {
        const { target, key: name, shiftKey } = event;
        const id = this.current;
        const span = this.rows.get(id)?.span;
        if (
            !span ||
            event.ctrlKey ||
            event.metaKey ||
            event.altKey ||
            !(target instanceof HTMLElement) ||
            target.closest(".waterfall-details")
        ) {
            return;
        }
        /** @type {Record<string, () => void>} */
        const acts = {
            ArrowDown: () => this.step(1),
            ArrowUp: () => this.step(-1),
            Home: () => this.step(-Infinity),
            End: () => this.step(Infinity),
            ArrowLeft: () => (shiftKey ? this.window.move(-1) : this.fold(span)),
            ArrowRight: () => (shiftKey ? this.window.move(1) : this.unfold(span)),
            Enter: () => this.toggle(this.open, id),
            " ": () => this.toggle(this.open, id),
            "+": () => this.window.zoom(true, this.middle(span)),
            "=": () => this.window.zoom(true, this.middle(span)),
            "-": () => this.window.zoom(false, this.middle(span)),
            0: () => this.window.show(0, 1),
        };
        if (acts[name]) {
            event.preventDefault();
            acts[name]();
        }
    }

    /** @param {Span} span */
    middle({ start, duration_ms }) {
        return this.trace ? new Axis(this.trace, this.shortens).at(start + duration_ms / 2) : 0.5;
    }

    /** @param {number} by */
    step(by) {
        const seen = this.seen.slice(0, this.most);
        const at = seen.findIndex(({ span_id }) => span_id === this.current);
        this.focus(seen[Math.min(seen.length - 1, Math.max(0, at + by))].span_id);
    }

    /** @param {Span} span */
    fold(span) {
        if (hasChildren(this.spans, span) && !this.folded.has(span.span_id)) {
            this.toggle(this.folded, span.span_id, true);
        } else {
            const [parent] = above(this.spans, span);
            this.focus(parent?.span_id ?? span.span_id);
        }
    }

    /** @param {Span} span */
    unfold(span) {
        if (this.folded.has(span.span_id)) {
            this.toggle(this.folded, span.span_id, false);
        } else if (hasChildren(this.spans, span)) {
            this.step(1);
        }
    }
}
