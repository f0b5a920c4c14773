/** What stands beside a feed: whether the list follows, and how much came since. */
import { h } from "./dom.js";
import { count } from "./format.js";

/**
 * A switch and a button for a feed; `draw` brings them in line with it.
 *
 * @param {() => import("./feed.js").Feed<any>} feed
 * @param {import("./shapes.js").Context} context
 * @param {string} what "events"
 * @returns {{follow: HTMLElement, news: HTMLElement, draw: () => void}}
 */
export function following(feed, { address, range, say }, what) {
    const turn = () => {
        const paused = !feed().paused;
        address.set({ follow: paused ? "no" : null });
        paused ? feed().pause() : feed().release();
    };
    const follow = h("button", { type: "button", onclick: turn, title: `Show new ${what} as they come` }, "Follow");
    const news = h("button", { type: "button", class: "primary news", hidden: true });
    news.addEventListener("click", () => {
        address.set({ follow: null });
        feed().release();
    });
    const draw = () => {
        const { paused, waiting } = feed();
        follow.hidden = !range.live;
        follow.setAttribute("aria-pressed", String(!paused));
        const before = news.hidden;
        news.hidden = waiting.count === 0;
        news.textContent = `${count(waiting.count)}${waiting.more ? "+" : ""} new`;
        if (before && !news.hidden) {
            say(`New ${what} are there`);
        }
    };
    return { follow, news, draw };
}
