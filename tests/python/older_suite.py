"""CouchDB-python 1.2, pycouchdb 1.17 and aiocouch 4.0 against a hub: the same small story each."""

import asyncio
import unittest

import aiocouch
import couchdb
import pycouchdb
from hubs import fresh_name, hub, main, numbered


class CouchDBPython(unittest.TestCase):
    def setUp(self):
        self.server = couchdb.Server(hub.origin)
        self.server.resource.credentials = (hub.user, hub.token)
        self.name = fresh_name("couchdb-python")
        self.db = self.server.create(self.name)

    def test_the_server(self):
        self.assertIn(self.name, self.server)
        self.assertIn(self.name, list(self.server))
        self.assertEqual(len(self.server.uuids(3)), 3)
        self.assertEqual(self.server.tasks(), [])
        self.assertEqual(self.server.version()[:2], "3.")
        with self.assertRaises(couchdb.PreconditionFailed):
            self.server.create(self.name)
        self.db.save({"_id": "a"})
        target = fresh_name("couchdb-python")
        self.assertTrue(self.server.replicate(self.name, target, create_target=True)["ok"])
        self.assertEqual(len(self.server[target]), 1)
        del self.server[target]
        self.assertNotIn(target, self.server)

    def test_questions(self):
        db = self.db
        db.update(numbered(5))
        db.index()["n", "n"] = ["n"]
        found = db.find({"selector": {"n": {"$gt": 2}}, "sort": [{"n": "desc"}]})
        self.assertEqual([doc["n"] for doc in found], [4, 3])
        self.assertEqual(db.explain({"selector": {"n": 1}})["index"]["name"], "n")
        del db.index()["n", "n"]
        self.assertEqual(len(list(db.index())), 1)

    def test_documents(self):
        db = self.db
        docid, rev = db.save({"_id": "a/b", "n": 1})
        self.assertEqual(db[docid]["n"], 1)
        db["c"] = {"n": 2}
        with self.assertRaises(couchdb.ResourceConflict):
            db["c"] = {"n": 3}
        self.assertEqual(db.copy("c", "d")[:2], "1-")
        self.assertEqual([row.id for row in db.view("_all_docs")], ["a/b", "c", "d"])
        self.assertEqual([row.id for row in db.view("_all_docs", keys=["d", "c"])], ["d", "c"])
        results = db.update(numbered(3) + [{"_id": "c"}])
        self.assertEqual([ok for ok, _, _ in results], [True, True, True, False])
        revisions = list(db.revisions("a/b"))
        self.assertEqual([doc.rev for doc in revisions], [rev])
        del db["d"]
        self.assertNotIn("d", db)
        self.assertEqual(db.purge([db["a/b"]])["purged"], {"a/b": [rev]})
        self.assertNotIn("a/b", db)
        self.assertEqual([row.id for row in db.iterview("_all_docs", 2)], list(db))
        self.assertTrue(db.commit()["ok"] and db.compact() and db.cleanup())
        db.security = {"admins": {"names": ["x"], "roles": []}}
        self.assertEqual(db.security["admins"]["names"], ["x"])

    def test_attachments_and_changes(self):
        db = self.db
        db.save({"_id": "a"})
        db.put_attachment(db["a"], "hello", filename="h.txt", content_type="text/plain")
        self.assertEqual(db.get_attachment("a", "h.txt").read(), b"hello")
        db.delete_attachment(db["a"], "h.txt")
        self.assertIsNone(db.get_attachment("a", "h.txt"))
        self.assertEqual(len(db.changes()["results"]), 1)
        feed = db.changes(feed="continuous", since=0, timeout=1)
        self.assertEqual(next(iter(feed))["id"], "a")


class PyCouchDB(unittest.TestCase):
    def test_a_story(self):
        server = pycouchdb.Server(hub.url)
        name = fresh_name("pycouchdb")
        db = server.create(name)
        self.assertIn(name, server)
        self.assertEqual(server.version()[:2], "3.")
        self.assertEqual(db.config()["db_name"], name)
        doc = db.save({"_id": "a", "n": 1})
        doc["n"] = 2
        doc = db.save(doc)
        self.assertEqual(db.get("a", params={"revs": "true"})["_revisions"]["start"], 2)
        self.assertEqual(len(list(db.revisions("a"))), 2)
        with self.assertRaises(pycouchdb.exceptions.Conflict):
            db.save({"_id": "a", "n": 3})
        saved = db.save_bulk(numbered(5))
        self.assertEqual(len(db), 6)
        doc = db.put_attachment(doc, b"hello", "h.txt", "text/plain")
        self.assertEqual(db.get_attachment(doc, "h.txt"), b"hello")
        self.assertEqual(b"".join(db.get_attachment(doc, "h.txt", stream=True).iter_content()), b"hello")
        doc = db.delete_attachment(doc, "h.txt")
        rows = list(db.all(keys=["a", "doc-000"]))
        self.assertEqual([row["id"] for row in rows], ["a", "doc-000"])
        db.delete_bulk(saved[:2])
        db.delete("a")
        with self.assertRaises(pycouchdb.exceptions.NotFound):
            db.get("a")
        _, changes = db.changes_list()
        self.assertEqual(len(changes), 6)
        self.assertTrue(db.commit()["ok"] and db.compact()["ok"] and db.cleanup()["ok"])
        target = fresh_name("pycouchdb")
        self.assertTrue(server.replicate(name, target, create_target=True)["ok"])
        server.delete(target)
        self.assertNotIn(target, server)


class AioCouch(unittest.TestCase):
    def test_a_story(self):
        asyncio.run(self.story())

    async def story(self):
        async with aiocouch.CouchDB(hub.origin, user=hub.user, password=hub.token) as server:
            await server.check_credentials()
            self.assertEqual((await server.info())["couchdb"], "Welcome")
            name = fresh_name("aiocouch")
            db = await server.create(name)
            self.assertIn(name, await server.keys())
            doc = await db.create("a", data={"n": 1})
            await doc.save()
            doc["n"] = 2
            await doc.save()
            stale = await db.get("a")
            doc["n"] = 3
            await doc.save()
            stale["n"] = 4
            with self.assertRaises(aiocouch.ConflictError):
                await stale.save()
            await doc.copy("b")
            self.assertEqual((await db["b"])["n"], 3)
            attachment = doc.attachment("h.txt")
            await attachment.save(b"hello", "text/plain")
            self.assertEqual(await doc.attachment("h.txt").fetch(), b"hello")
            async with db.create_docs(["c", "d"]) as bulk:
                async for each in bulk:
                    each["n"] = each.id
            self.assertEqual([each.id async for each in db.docs(["c", "d"])], ["c", "d"])
            self.assertEqual([key async for key in db.akeys()], ["a", "b", "c", "d"])
            self.assertEqual([each.id async for each in db.find({"n": {"$gt": 1}})], ["a", "b", "c", "d"])
            security = await db.security()
            security.add_member("reader")
            await security.save()
            self.assertEqual((await db.security()).members, ["reader"])
            seen = [event.id async for event in db.changes()]
            self.assertEqual(sorted(seen), ["a", "b", "c", "d"])
            await (await db["b"]).delete()
            with self.assertRaises(aiocouch.NotFoundError):
                await db["b"]
            await db.delete()
            self.assertNotIn(name, await server.keys())


if __name__ == "__main__":
    main()
