// SCIM server based on SCIMMY, an independent implementation of RFC 7643 and RFC 7644. This file adds the account storage
// and the uniqueness of user names.
//
//   node server.mjs TOKEN PORT [CONFIG]      CONFIG is a file that replaces parts of the announced configuration

import { readFileSync } from "node:fs";

import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [token, port, announced] = process.argv.slice(2);
const accounts = new Map();
let lastId = 0;

const missing = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false), {
  egress: (resource) => {
    if (resource.id === undefined) {
      const all = [...accounts.values()];
      return resource.filter === undefined ? all : resource.filter.match(all);
    }
    const account = accounts.get(resource.id);
    if (account === undefined) throw missing(resource.id);
    return account;
  },
  ingress: (resource, data) => {
    const id = resource.id ?? String(++lastId);
    if (resource.id !== undefined && !accounts.has(id)) throw missing(id);
    const name = data.userName.toLowerCase();
    for (const other of accounts.values()) {
      if (other.id !== id && other.userName.toLowerCase() === name) {
        throw new SCIMMY.Types.Error(409, "uniqueness", "userName is taken");
      }
    }
    const account = { ...JSON.parse(JSON.stringify(data)), id };
    accounts.set(id, account);
    return account;
  },
  degress: (resource) => {
    if (!accounts.delete(resource.id)) throw missing(resource.id);
  },
});
const app = express();
app.use(
  "/scim",
  new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
      if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("The token is refused");
      return "the-test";
    },
  }),
);
// Page size limit. It is set after the routers, which announce the configuration at their creation.
SCIMMY.Config.set({ filter: { supported: true, maxResults: 5 } });
if (announced !== undefined) {
  const { patch, filter } = JSON.parse(readFileSync(announced, "utf8"));
  SCIMMY.Config.set({ patch, filter });
}

app.listen(Number(port), "127.0.0.1");
