/** How much the handlers can take: what was measured, what follows from it, and what if it were otherwise. */
import { ask } from "../capacity/assessment.js";
import { drawBusy } from "../capacity/busy.js";
import { Curves } from "../capacity/curves.js";
import { drawFigures } from "../capacity/figures.js";
import { WhatIf } from "../capacity/what_if.js";
import { nameHandlers } from "../chart/look.js";
import { h } from "../dom.js";
import { plural, rate } from "../format.js";

/** @typedef {import("../pages.js").Context} Context */

const EVERY_MS = 3_000;
const DEFAULT_WINDOW_S = 60;
const WINDOWS = { 30: "30 s", 60: "1 min", 300: "5 min", 900: "15 min" };

/** @type {import("../pages.js").Page} */
export default {
    title: "Capacity",
    style: "/styles/capacity.css",
    show: (root, context) => {
        const page = new CapacityPage(root, context);
        page.refresh();
        return () => page.end();
    },
};

class CapacityPage {
    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    constructor(root, context) {
        this.context = context;
        this.round = new AbortController();
        this.timer = 0;
        const again = () => this.refresh();
        this.whatIf = new WhatIf(context.address, again);
        this.curves = new Curves();
        this.window = windowChoice(context.address, again);
        this.summary = h("span", {});
        this.failure = h("p", { class: "failure", hidden: true });
        this.empty = h("p", { class: "empty", hidden: true }, "No handler was seen yet: its metrics tell of it.");
        this.busy = h("ul", { class: "capacity-busy-list" });
        this.figures = h("table", { class: "capacity-figures" });
        this.known = h("div", { class: "capacity-known", hidden: true }, this.parts());
        root.append(
            h("div", { class: "toolbar" }, h("label", {}, "Measured over the last ", this.window), this.summary),
            this.failure,
            this.empty,
            this.known,
        );
        this.leaves = [
            context.address.onChange(() => this.moved()),
            context.live.onState((now, before) => void (before === "lost" && this.refresh())),
        ];
        this.asked = "";
    }

    parts() {
        const region = { class: "scrolls", role: "region", tabindex: 0, "aria-label": "Figures of each handler" };
        return [
            h("div", { class: "capacity-head" }, this.busyCard(), this.whatIf.element),
            h("section", { class: "card" }, h("h2", {}, "Figures"), h("div", region, this.figures)),
            this.curves.element,
        ];
    }

    busyCard() {
        const marks = [h("span", {}), " the target, 80 %", h("span", {}), " as much as there is, 100 %"];
        return h(
            "section",
            { class: "card", "aria-labelledby": "capacity-busy" },
            h("h2", { id: "capacity-busy" }, "How busy"),
            h("p", { class: "capacity-key" }, "ρ, the share of time that a slot is busy;", marks),
            this.busy,
        );
    }

    end() {
        this.leaves.forEach((leave) => leave());
        this.round.abort();
        clearTimeout(this.timer);
        this.curves.destroy();
    }

    /** The back button leads to another question. */
    moved() {
        if (this.question() !== this.asked) {
            this.refresh();
        }
    }

    question() {
        return JSON.stringify([this.window.value, this.whatIf.supposition]);
    }

    async refresh() {
        this.round.abort();
        clearTimeout(this.timer);
        const { signal } = (this.round = new AbortController());
        this.asked = this.question();
        if (!document.hidden && this.context.live.reached) {
            await this.load(signal);
        }
        if (!signal.aborted) {
            this.timer = setTimeout(() => this.refresh(), EVERY_MS);
        }
    }

    /** @param {AbortSignal} signal */
    async load(signal) {
        try {
            const found = await ask(Number(this.window.value), this.whatIf.supposition, signal);
            if (!signal.aborted) {
                this.fail(found.refusal);
                this.draw(found);
            }
        } catch (error) {
            // Out of reach for a moment, it leaves what is shown; the bar says so.
            if (!signal.aborted && error instanceof this.context.api.Problem && !error.lost) {
                this.fail(error.message);
            }
        }
    }

    /** @param {string} message */
    fail(message) {
        this.failure.hidden = message === "";
        this.failure.textContent = message;
    }

    /** @param {Awaited<ReturnType<typeof ask>>} found */
    draw({ measured, supposed }) {
        const names = Object.keys(measured.handlers);
        nameHandlers(names);
        this.empty.hidden = names.length > 0;
        this.known.hidden = names.length === 0;
        this.summary.textContent = names.length
            ? `${rate(measured.arrival_rate)} come in, ${plural(names.length, "handler")}`
            : "";
        drawBusy(this.busy, measured, supposed);
        drawFigures(this.figures, measured, supposed);
        this.whatIf.draw(measured);
        this.curves.draw(measured, supposed);
    }
}

/**
 * @param {import("../address.js").Address} address
 * @param {() => void} changed
 */
function windowChoice(address, changed) {
    const select = h(
        "select",
        {
            value: address.current.parameters.window ?? String(DEFAULT_WINDOW_S),
            onchange: () => {
                address.set({ window: select.value });
                changed();
            },
        },
        Object.entries(WINDOWS).map(([seconds, text]) => h("option", { value: seconds }, text)),
    );
    if (!select.value) {
        select.value = String(DEFAULT_WINDOW_S);
    }
    return select;
}
