/** Asks before anything is done to dead letters. */
import { h } from "/modules/dom.js";
import { plural } from "/modules/format.js";

const WORDS = {
    replay: {
        verb: "Replay",
        tone: "primary",
        means: "They are delivered to their handlers again, as a first attempt. What fails again comes back here.",
    },
    purge: {
        verb: "Purge",
        tone: "danger",
        means: "They are deleted for good. Their events keep missing an effect, and the audit goes on to say so.",
    },
};

/**
 * Whether the user means it.
 *
 * @param {"replay" | "purge"} act
 * @param {number} count 0 for all.
 * @param {string} handler "" for all handlers.
 * @returns {Promise<boolean>}
 */
export function confirmed(act, count, handler) {
    const { verb, tone, means } = WORDS[act];
    const what = count ? plural(count, "dead letter") : `all dead letters${handler ? ` of ${handler}` : ""}`;
    return new Promise((resolve) => {
        const dialog = h("dialog", { "aria-labelledby": "dead-letters-question" });
        const close = (/** @type {string} */ answer) => () => dialog.close(answer);
        dialog.append(
            h("h2", { id: "dead-letters-question" }, `${verb} ${what}?`),
            h("p", {}, means),
            h(
                "div",
                { class: "toolbar dead-letters-answers" },
                h("button", { type: "button", onclick: close("no"), autofocus: true }, "Cancel"),
                h("button", { type: "button", class: tone, onclick: close("yes") }, verb),
            ),
        );
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}
