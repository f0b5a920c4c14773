/** The search box: any id leads to where it is told about. `/` puts the cursor there. */
import { get } from "../api.js";
import { h } from "../dom.js";

/**
 * @param {import("../address.js").Address} address
 * @returns {HTMLElement}
 */
export function search(address) {
    const found = h("div", { class: "shell-found", role: "status" });
    const input = h("input", {
        type: "search",
        placeholder: "Find id ( / )",
        "aria-label": "Find an event, trace, span or subject by its id",
        autocomplete: "off",
        spellcheck: "false",
        oninput: () => found.replaceChildren(),
        onblur: () => found.replaceChildren(),
    });
    const find = async () => {
        const id = input.value.trim();
        if (!id) {
            return;
        }
        const answer = await get("/api/find", { id }).catch((error) => ({ failure: error.message }));
        if (answer.address) {
            input.value = "";
            address.follow(answer.address);
        } else {
            found.textContent = answer.failure ?? `Nothing is known of ${id}.`;
        }
    };
    addEventListener("keydown", (event) => {
        if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target)) {
            event.preventDefault();
            input.focus();
        }
    });
    const submit = (/** @type {Event} */ event) => (event.preventDefault(), find());
    return h("form", { role: "search", onsubmit: submit }, input, found);
}

/** @param {EventTarget | null} target */
function typing(target) {
    return target instanceof HTMLElement && (target.matches("input, textarea, select") || target.isContentEditable);
}
