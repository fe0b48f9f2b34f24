// better-auth's phoneNumber plugin behind Hono, as its pages show it: its own tables, its own session, checked for every
// profile read. The first process lets it make its tables, takes the benchmark's people over, and forks the others.
import cluster from "node:cluster";
import { randomInt } from "node:crypto";

import { serve } from "@hono/node-server";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { phoneNumber } from "better-auth/plugins";
import { Hono } from "hono";
import pg from "pg";

const { BENCH_DSN, BENCH_KEY, BENCH_WORKERS } = process.env;
const ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const PEOPLE = `
  INSERT INTO "user" (id, name, email, "emailVerified", "phoneNumber", "phoneNumberVerified", "inviteCode", "inviterId", "createdAt", "updatedAt")
    SELECT id, phone_number, phone_number || '@example.com', false, phone_number, true, invite_code, inviter_id, joined_at, joined_at
    FROM bench_user;
  INSERT INTO session (id, "userId", token, "expiresAt", "createdAt", "updatedAt")
    SELECT id, id, md5(id), now() + interval '7 days', now(), now() FROM "user";
  ANALYZE "user", session`;
const PROFILE = `
  SELECT u.id, u."phoneNumber" AS phone_number, u."inviteCode" AS invite_code, i."inviteCode" AS activated_invite_code,
         ARRAY(SELECT "phoneNumber" FROM "user" WHERE "inviterId" = u.id ORDER BY "createdAt" DESC LIMIT 100) AS refs,
         (SELECT count(*)::int FROM "user" WHERE "inviterId" = u.id) AS refs_count
  FROM "user" u LEFT JOIN "user" i ON i.id = u."inviterId" WHERE u.id = $1`;

const pool = new pg.Pool({ connectionString: BENCH_DSN, max: 8, options: "-c search_path=better_auth,public" });
const sent = new Map(); // what a demo echoes

const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret: BENCH_KEY,
  database: pool,
  logger: { level: "error" },
  advanced: { database: { joins: true } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  user: {
    additionalFields: {
      inviteCode: { type: "string", unique: true, input: false, required: false },
      inviterId: { type: "string", index: true, input: false, required: false },
    },
  },
  databaseHooks: { user: { create: { before: async (user) => ({ data: { ...user, inviteCode: await inviteCode() } }) } } },
  plugins: [
    phoneNumber({
      otpLength: 4,
      sendOTP: ({ phoneNumber, code }) => void sent.set(phoneNumber, code),
      signUpOnVerification: { getTempEmail: (phone) => `${phone}@example.com` },
    }),
  ],
});

async function inviteCode() {
  const code = Array.from({ length: 6 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  const { rowCount } = await pool.query('SELECT 1 FROM "user" WHERE "inviteCode" = $1', [code]);
  return rowCount ? inviteCode() : code;
}

const app = new Hono();

app.get("/me/", async (c) => {
  const session = await auth.api.getSession({ headers: c.req.raw.headers });
  if (!session) return c.json({ detail: "no session" }, 401);
  const { rows } = await pool.query({ name: "profile", text: PROFILE, values: [session.user.id] });
  return c.json(rows[0]);
});

app.post("/send_otp/", async (c) => {
  const { phone_number } = await c.req.json();
  await auth.api.sendPhoneNumberOTP({ body: { phoneNumber: phone_number } });
  const otp = sent.get(phone_number);
  sent.delete(phone_number);
  return c.json({ phone_number, otp });
});

app.post("/auth/", async (c) => {
  const { phone_number, otp } = await c.req.json();
  const { token } = await auth.api.verifyPhoneNumber({ body: { phoneNumber: phone_number, code: otp } });
  return c.json({ phone_number, token });
});

if (cluster.isPrimary) {
  await pool.query("DROP SCHEMA IF EXISTS better_auth CASCADE; CREATE SCHEMA better_auth");
  await (await getMigrations(auth.options)).runMigrations();
  await pool.query(PEOPLE);
  await pool.end();
  for (let worker = 0; worker < Number(BENCH_WORKERS); worker++) cluster.fork();
  process.on("SIGTERM", () => process.exit());
} else {
  serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.argv.at(-1)) });
}
