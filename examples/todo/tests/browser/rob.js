// Tries everything that a page can do with the address of another, and returns what came of it. How long a window must
// stay reachable to count as reached depends on the server: a careful one closes it, sooner or later.

const [address, watch] = arguments;
const patience = 30_000;

const within = (promise, otherwise) =>
  Promise.race([promise.catch(() => otherwise), new Promise((resolve) => setTimeout(() => resolve(otherwise), patience))]);

const read = async (options) => (await fetch(address, options)).text();

const frameOf = (fill) => {
  const frame = document.createElement("iframe");
  fill(frame);
  document.body.append(frame);
  return frame;
};

const runsScript = () =>
  new Promise((resolve) => {
    const script = document.createElement("script");
    script.onload = () => resolve(window.leaked === true);
    script.onerror = () => resolve(false);
    script.type = "text/javascript";
    script.src = new URL("main.js", address);
    document.body.append(script);
  });

const loadsFrame = () => new Promise((resolve) => (frameOf((frame) => (frame.src = address)).onload = resolve));

// A page may cut the tie to whoever opened it; then the window counts as closed here.
const reachesWindow = async () => {
  const opened = window.open(address, "victim", "width=300,height=300");
  const end = Date.now() + watch;
  while (opened?.closed === false && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  const isReached = opened?.closed === false;
  opened?.close();
  return isReached;
};

const live = new URL("live/this", address.replace(/^http/, "ws"));
const opensSocket = () =>
  new Promise((resolve) => {
    const socket = new WebSocket(live);
    socket.onopen = () => {
      socket.send(JSON.stringify({ id: 1, do: "addList", name: "owned" }));
      resolve(true);
    };
    socket.onerror = () => resolve(false);
  });

const opensNamelessSocket = () =>
  new Promise((resolve) => {
    window.onmessage = ({ data }) => resolve(data === "open");
    frameOf((frame) => {
      frame.sandbox = "allow-scripts";
      frame.srcdoc = `<script>
        const socket = new WebSocket(${JSON.stringify(live)});
        socket.onopen = () => parent.postMessage("open", "*");
        socket.onerror = () => parent.postMessage("refused", "*");
      </script>`;
    });
  });

const body = "id=1&do=addList&name=owned";
const sendsForm = () =>
  new Promise((resolve) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: address, target: "form-target" });
    frameOf((frame) => (frame.name = "form-target")).onload = resolve;
    document.body.append(form);
    form.submit();
  });

return (async () => {
  await within(fetch(address, { method: "POST", mode: "no-cors", body }), null);
  await within(loadsFrame(), null);
  await within(sendsForm(), null);
  return {
    fetched: await within(read({}), null),
    posted: await within(read({ method: "POST", body }), null),
    script: await within(runsScript(), false),
    window: await within(reachesWindow(), false),
    socket: await within(opensSocket(), false),
    nameless_socket: await within(opensNamelessSocket(), false),
  };
})();
