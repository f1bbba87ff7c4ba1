"""couchdb3 3.5 against a hub, with its own idioms."""

import asyncio
import os
import unittest

import couchdb3
from couchdb3.aio import AsyncServer
from couchdb3.exceptions import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    PreconditionFailedError,
    UnauthorizedError,
)
from hubs import fresh_name, hub, main, numbered

server = couchdb3.Server(hub.url)


def database(docs=()):
    db = server.create(fresh_name("couchdb3"))
    if docs:
        db.bulk_docs(list(docs))
    return db


class Server(unittest.TestCase):
    def test_it_is_up_and_introduces_itself(self):
        self.assertTrue(server.up())
        self.assertTrue(server)
        self.assertEqual(server.info()["couchdb"], "Welcome")
        self.assertEqual(server.active_tasks(), [])
        members = server.membership()
        self.assertEqual(members["all_nodes"], members["cluster_nodes"])

    def test_cookie_and_basic_and_wrong_tokens(self):
        basic = couchdb3.Server(hub.url, auth_method="basic")
        self.assertEqual(basic.all_dbs(), server.all_dbs())
        for method in ("cookie", "basic"):
            stranger = couchdb3.Server(
                hub.origin, user=hub.user, password="wrong", auth_method=method
            )
            with self.assertRaises(UnauthorizedError):
                stranger.all_dbs()
        self.assertTrue(server.check_user(hub.user, hub.token))

    def test_databases_are_made_found_described_and_deleted(self):
        name = fresh_name("couchdb3")
        self.assertNotIn(name, server)
        db = server.create(name, q=2, n=1)
        self.assertIn(name, server)
        with self.assertRaises(PreconditionFailedError):
            server.create(name)
        info = db.info()
        self.assertEqual((info["db_name"], info["doc_count"]), (name, 0))
        self.assertIn(name, server.all_dbs(startkey=f'"{name}"', limit=3))
        self.assertEqual(server.all_dbs(descending=True, skip=0)[-1], server.all_dbs()[0])
        (known, unknown) = server.dbs_info([name, "nowhere"])
        self.assertEqual(known["info"]["db_name"], name)
        self.assertEqual(unknown["error"], "not_found")
        self.assertTrue(db.compact())
        self.assertTrue(server.delete(name))
        self.assertNotIn(name, server)
        with self.assertRaises(NotFoundError):
            server[name]

    def test_set_up_and_settings(self):
        self.assertIn("state", server.cluster_setup())
        self.assertTrue(server.setup_cluster("enable_single_node", ensure_dbs_exist=[]))
        self.assertEqual(server.set_node_config("couchdb3", "key", "one"), "")
        self.assertEqual(server.set_node_config("couchdb3", "key", "two"), "one")
        self.assertEqual(server.node_config(section="couchdb3", key="key"), "two")
        self.assertEqual(server.node_config(section="couchdb3"), {"key": "two"})
        self.assertIn("couchdb3", server.node_config())
        self.assertEqual(server.delete_node_config("couchdb3", "key"), "two")
        self.assertTrue(server.reload_node_config())

    def test_a_database_replicates_into_another(self):
        source, target = database(numbered(20)), fresh_name("couchdb3")
        done = server.replicate(source.name, target, create_target=True)
        self.assertTrue(done["ok"])
        self.assertEqual(server[target].info()["doc_count"], 20)
        other = database()
        ids = ["doc-003", "doc-007"]
        server.replicate(source.name, other.name, doc_ids=ids)
        self.assertEqual([row.id for row in other.all_docs().rows], ids)


class Documents(unittest.TestCase):
    def test_a_life(self):
        db = database()
        docid, ok, rev = db.save({"_id": "a", "n": 1})
        self.assertEqual((docid, ok), ("a", True))
        self.assertEqual(db.rev("a"), rev)
        self.assertIn("a", db)
        doc = db["a"]
        doc.update({"n": 2})
        _, _, second = db.save(doc)
        with self.assertRaises(ConflictError):
            db.save({"_id": "a", "_rev": rev, "n": 3})
        self.assertEqual(db.get("a", revs=True)["_revisions"]["start"], 2)
        self.assertEqual(len(db.get("a", revs_info=True)["_revs_info"]), 2)
        self.assertTrue(db.delete("a", second))
        self.assertNotIn("a", db)
        self.assertIsNone(db.get("a"))
        with self.assertRaises(NotFoundError):
            db["a"]
        created, _, _ = db.create({"n": "an id is made"})
        self.assertEqual(db[created]["n"], "an id is made")

    def test_copies(self):
        db = database(numbered(1))
        docid, ok, rev = db.copy("doc-000", "copy")
        self.assertEqual((docid, ok), ("copy", True))
        self.assertEqual(db["copy"]["n"], 0)
        with self.assertRaises(ConflictError):
            db.copy("doc-000", "copy")
        _, _, second = db.copy("doc-000", "copy", destrev=rev)
        self.assertTrue(second.startswith("2-"))

    def test_bulk_writes_and_reads(self):
        db = database()
        rows = db.bulk_docs(numbered(3))
        self.assertTrue(all(row["ok"] for row in rows))
        again = db.bulk_docs([{"_id": "doc-000"}, {"_id": "doc-001", "_rev": rows[1]["rev"]}])
        self.assertEqual([row.get("error") for row in again], ["conflict", None])
        foreign = {"_id": "x", "_rev": "3-c", "_revisions": {"start": 3, "ids": ["c", "b", "a"]}}
        self.assertEqual(db.bulk_docs([foreign], new_edits=False), [])
        read = db.bulk_get([{"_id": "x"}, {"id": "nowhere"}], revs=True)
        self.assertEqual(read[0]["docs"][0]["ok"]["_revisions"], foreign["_revisions"])
        self.assertEqual(read[1]["docs"][0]["error"]["error"], "not_found")

    def test_a_revision_is_purged(self):
        db = database()
        _, _, rev = db.save({"_id": "a"})
        self.assertEqual(db.purge({"a": [rev]})["purged"], {"a": [rev]})
        self.assertNotIn("a", db)
        self.assertEqual(db.info()["doc_del_count"], 0)

    def test_conflicts_are_told(self):
        db = database()
        branches = [{"_id": "x", "_rev": f"1-{digit * 32}", "by": digit} for digit in "ab"]
        db.bulk_docs(branches, new_edits=False)
        doc = db.get("x", conflicts=True, local_seq=True)
        self.assertEqual((doc["by"], doc["_conflicts"]), ("b", [branches[0]["_rev"]]))
        self.assertEqual(db.get("x", rev=branches[0]["_rev"])["by"], "a")
        self.assertIn("_revs_info", db.get("x", meta=True))

    def test_listings(self):
        db = database(numbered(10))
        ids = lambda result: [row.id for row in result.rows]
        self.assertEqual(len(ids(db.all_docs())), 10)
        some = db.all_docs(startkey='"doc-003"', endkey='"doc-005"', inclusive_end=False)
        self.assertEqual(ids(some), ["doc-003", "doc-004"])
        chosen = db.all_docs(keys=["doc-009", "nowhere"], include_docs=True)
        self.assertEqual(chosen.rows[0].doc["n"], 9)
        self.assertEqual(chosen.rows[1]["error"], "not_found")
        last = db.all_docs(descending=True, limit=1, skip=1, update_seq=True)
        self.assertEqual(ids(last), ["doc-008"])
        db.put_design("garden", views={"all": {"map": "function (doc) { emit(doc._id); }"}})
        self.assertEqual(ids(db.design_docs()), ["_design/garden"])
        self.assertIn("views", db.get_design("garden"))
        self.assertTrue(db.compact("garden"))

    def test_attachments(self):
        db = database()
        content = os.urandom(100_000)
        _, _, rev = db.put_attachment(
            "x", "a.bin", content=content, content_type="application/octet-stream"
        )
        _, _, rev = db.put_attachment("x", "me.py", path=__file__, rev=rev)
        read = db.get_attachment("x", "a.bin")
        self.assertEqual(read.content, content)
        self.assertEqual(read.content_type, "application/octet-stream")
        with open(__file__, "rb") as file:
            self.assertEqual(db.get_attachment("x", "me.py").content, file.read())
        stubs = db.get("x", att_encoding_info=True)["_attachments"]
        self.assertEqual(stubs["a.bin"]["length"], len(content))
        self.assertIn("data", db.get("x", attachments=True)["_attachments"]["a.bin"])
        self.assertTrue(db.delete_attachment("x", "a.bin", rev))
        with self.assertRaises(NotFoundError):
            db.get_attachment("x", "a.bin")

    def test_security(self):
        db = database()
        admins = {"names": ["a"], "roles": []}
        members = {"names": [], "roles": ["reader"]}
        self.assertTrue(db.update_security(admins=admins, members=members))
        self.assertEqual(db.security(), {"admins": admins, "members": members})


class Partitions(unittest.TestCase):
    def test_documents_of_one_partition(self):
        db = server.create(fresh_name("couchdb3"), partitioned=True)
        partition = db.get_partition("a")
        partition.save({"_id": "1", "n": 1})
        partition.save({"_id": "2", "n": 2})
        db.save({"_id": "b:1"})
        self.assertIn("1", partition)
        self.assertEqual(partition["1"]["n"], 1)
        self.assertEqual([row.id for row in db.all_docs(partition="a").rows], ["a:1", "a:2"])
        self.assertEqual(db.info(partition="a")["doc_count"], 2)


class Changes(unittest.TestCase):
    def test_once_by_pages_and_by_ids(self):
        db = database(numbered(10))
        everything = db.changes(since="0", include_docs=True, style="all_docs")
        self.assertEqual(len(everything["results"]), 10)
        page = db.changes(limit=4, seq_interval=2)
        self.assertEqual((len(page["results"]), page["pending"]), (4, 6))
        rest = db.changes(since=page["last_seq"])
        self.assertEqual(len(rest["results"]), 6)
        chosen = db.changes(doc_ids=["doc-001", "doc-002"])
        self.assertEqual([row["id"] for row in chosen["results"]], ["doc-001", "doc-002"])
        narrowed = db.changes(selector={"n": {"$gt": 7}})
        self.assertEqual([row["id"] for row in narrowed["results"]], ["doc-008", "doc-009"])
        self.assertEqual(db.changes(descending=True, limit=1)["results"][0]["id"], "doc-009")
        with self.assertRaises(BadRequestError):
            db.changes(since="bogus")

    def test_long_polling_and_a_stream(self):
        db = database(numbered(3))
        polled = db.changes(feed="longpoll", since="0")
        self.assertEqual(len(polled["results"]), 3)
        quiet = db.changes(feed="longpoll", since=polled["last_seq"], timeout=1)
        self.assertEqual(quiet["results"], [])
        with db.changes_stream(since="0", heartbeat=1000) as stream:
            seen = []
            for change in stream:
                seen.append(change["id"])
                if len(seen) == 3:
                    db.save({"_id": "later"})
                if change["id"] == "later":
                    break
        self.assertEqual(seen, ["doc-000", "doc-001", "doc-002", "later"])


class Questions(unittest.TestCase):
    def test_documents_are_found_by_an_index(self):
        db = database(numbered(9))
        made = db.save_index({"fields": [{"n": "asc"}]}, ddoc="n", name="n")
        self.assertEqual(made, ("created", "_design/n", "n"))
        self.assertEqual(db.indexes()["total_rows"], 2)
        query = {"selector": {"n": {"$gte": 4}}, "sort": [{"n": "desc"}], "limit": 3}
        found = db.find(**query, use_index="n", execution_stats=True)
        self.assertEqual([doc["n"] for doc in found["docs"]], [8, 7, 6])
        self.assertEqual(found["execution_stats"]["results_returned"], 3)
        rest = db.find(**query, bookmark=found["bookmark"])
        self.assertEqual([doc["n"] for doc in rest["docs"]], [5, 4])
        self.assertEqual(db.explain(**query)["index"]["name"], "n")
        self.assertTrue(db.delete_index("n", "n"))
        with self.assertRaises(BadRequestError):
            db.find(**query)

    def test_questions_to_a_partition(self):
        db = server.create(fresh_name("couchdb3"), partitioned=True)
        db.bulk_docs([{"_id": "a:1"}, {"_id": "a:2"}, {"_id": "b:1"}])
        found = db.find({"_id": {"$gt": "a:1"}}, partition="a")
        self.assertEqual([doc["_id"] for doc in found["docs"]], ["a:2"])


class Asynchronously(unittest.TestCase):
    def test_the_same_without_blocking(self):
        async def run():
            async with AsyncServer(hub.url) as client:
                self.assertTrue(await client.up())
                db = await client.create(fresh_name("couchdb3"))
                await asyncio.gather(*(db.save(doc) for doc in numbered(20)))
                self.assertEqual((await db.info())["doc_count"], 20)
                doc = await db.get("doc-007")
                self.assertEqual(doc["n"], 7)
                result = await db.all_docs(include_docs=True)
                self.assertEqual([row.doc["n"] for row in result.rows], list(range(20)))
                await db.delete("doc-007", await db.rev("doc-007"))
                self.assertIsNone(await db.get("doc-007"))

        asyncio.run(run())


if __name__ == "__main__":
    main()
