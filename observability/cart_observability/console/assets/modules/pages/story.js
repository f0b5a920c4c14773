/** One event's story, or a trace alone: what happened, when, and how it waited. */
import { h } from "../dom.js";
import { EventPage } from "../story/event_page.js";
import { TracePage } from "../story/trace_page.js";

/** @typedef {import("../shapes.js").Context} Context */

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function show(root, context) {
    const { page, id } = context.address.current;
    if (id === null) {
        root.append(h("p", { class: "empty" }, "Choose an event, or type an id into the search box above."));
        return undefined;
    }
    const shown =
        page === "traces"
            ? new TracePage(root, context, `/api/traces/${encodeURIComponent(id)}`)
            : new EventPage(root, context, `/api/events/${encodeURIComponent(id)}`);
    return () => shown.close();
}

export default { title: "Event", style: "/styles/story.css", show };
