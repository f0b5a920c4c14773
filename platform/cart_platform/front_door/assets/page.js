// Keeps the column "Now" current; the page is whole without it.
const STATES = { true: "answers", false: "silent" };

async function refresh() {
  const answer = await fetch("/states");
  for (const [server, answers] of Object.entries(await answer.json())) {
    const cell = document.querySelector(`[data-server="${CSS.escape(server)}"]`);
    cell.dataset.answers = Number(answers);
    cell.textContent = STATES[answers];
  }
}

setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, 10_000);
