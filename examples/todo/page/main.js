// The page: a panel for each device that this program is.

import { Device } from "./device.js";
import { pageKeys } from "./keys.js";
import { Socket } from "./socket.js";

const names = document.body.dataset.devices.split(" ");
const isDemo = names.length > 1;
document.body.classList.toggle("demo", isDemo);
document.querySelector(".intro").hidden = !isDemo;

const labelOf = (name) => (name === "this" ? "This device" : name);
const devices = names.map((name) => new Device(name, labelOf(name), new Socket(`live/${name}`)));
document.getElementById("devices").append(...devices.map((device) => device.element));
pageKeys(devices);
