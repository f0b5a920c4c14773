/** A trace alone. */
import { h } from "../dom.js";
import { milliseconds, preciseTime, shortId } from "../format.js";
import { amount } from "../waterfall/amount.js";
import { LATE_MS, OFTEN_MS, Page, SELDOM_MS } from "./page.js";

/** @typedef {import("../shapes.js").Trace} Trace */

export class TracePage extends Page {
    /** @override */
    elements() {
        this.head = h("p", {});
        return [this.head, h("section", { class: "card" }, this.waterfall.element)];
    }

    /**
     * @override
     * @param {Trace} trace
     */
    draw(trace) {
        const { heading, address, live } = this.context;
        const { trace_id, start, duration_ms, spans } = trace;
        heading(`Trace ${shortId(trace_id)}`);
        if (this.head) {
            const events = [
                ...new Set(
                    spans
                        .map(({ attributes }) => attributes["cloudevents.event_id"])
                        .filter((id) => typeof id === "string"),
                ),
            ];
            this.parts.draw(this.head, trace, () => [
                h("span", { class: "mono" }, trace_id),
                ` began at ${preciseTime(start)}, took ${milliseconds(duration_ms)}, ${amount(trace)}. `,
                h("a", { href: address.link("logs", null, { q: `trace.id:${trace_id}` }) }, "Its log lines"),
                ...events
                    .slice(0, 20)
                    .flatMap((id) => [
                        " · ",
                        h("a", { href: address.link("events", String(id)) }, `Event ${shortId(String(id))}`),
                    ]),
            ]);
        }
        this.waterfall.update(trace);
        this.goToSpan();
        return live.now() - start - duration_ms < LATE_MS ? OFTEN_MS : SELDOM_MS;
    }
}
