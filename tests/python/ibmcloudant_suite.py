"""ibmcloudant 0.11 against a hub, with its own idioms."""

import base64
import io
import itertools
import json
import os
import threading
import time
import unittest

from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.authenticators import BasicAuthenticator
from ibmcloudant import CouchDbSessionAuthenticator
from ibmcloudant.cloudant_v1 import (
    AllDocsQuery,
    Attachment,
    BulkDocs,
    BulkGetQueryDocument,
    CloudantV1,
    DesignDocument,
    Document,
    ReplicationDatabase,
    ReplicationDatabaseAuth,
    ReplicationDatabaseAuthBasic,
    ReplicationDocument,
    SecurityObject,
)
from ibmcloudant.features.changes_follower import ChangesFollower
from ibmcloudant.features.pagination import PagerType, Pagination
from hubs import fresh_name, hub, main, numbered


def client(basic=False, gzip=True, password=hub.token):
    kind = BasicAuthenticator if basic else CouchDbSessionAuthenticator
    service = CloudantV1(authenticator=kind(hub.user, password))
    service.set_service_url(hub.origin)
    service.set_enable_gzip_compression(gzip)
    return service


service = client()


def database(docs=()):
    db = fresh_name("ibmcloudant")
    service.put_database(db=db)
    if docs:
        service.post_bulk_docs(db=db, bulk_docs={"docs": list(docs)})
    return db


class Server(unittest.TestCase):
    def test_log_in_by_json_compressed_or_not_and_by_basic(self):
        ways = [({}, "cookie"), ({"gzip": False}, "cookie"), ({"basic": True}, "default")]
        for way, authenticated in ways:
            session = client(**way).get_session_information().get_result()
            self.assertEqual(session["userCtx"]["name"], hub.user)
            self.assertEqual(session["info"]["authenticated"], authenticated)
        with self.assertRaises(ApiException) as refused:
            client(basic=True, password="wrong").get_all_dbs()
        self.assertEqual(refused.exception.status_code, 401)

    def test_it_introduces_itself(self):
        info = service.get_server_information().get_result()
        self.assertEqual(info["couchdb"], "Welcome")
        self.assertEqual(len(service.get_uuids(count=3).get_result()["uuids"]), 3)
        self.assertEqual(service.get_up_information().get_result()["status"], "ok")
        self.assertEqual(service.head_up_information().get_status_code(), 200)
        self.assertEqual(len(service.get_membership_information().get_result()["all_nodes"]), 1)
        self.assertEqual(service.get_active_tasks().get_result(), [])

    def test_databases(self):
        db = database(numbered(2))
        self.assertEqual(service.head_database(db=db).get_status_code(), 200)
        info = service.get_database_information(db=db).get_result()
        self.assertEqual((info["db_name"], info["doc_count"]), (db, 2))
        self.assertEqual(set(info["sizes"]), {"file", "external", "active"})
        quoted = json.dumps(db)
        self.assertEqual(service.get_all_dbs(start_key=quoted, limit=1).get_result(), [db])
        known, unknown = service.post_dbs_info(keys=[db, "nowhere"]).get_result()
        self.assertEqual((known["info"]["doc_count"], unknown["error"]), (2, "not_found"))
        with self.assertRaises(ApiException) as refused:
            service.put_database(db=db)
        self.assertEqual(refused.exception.status_code, 412)
        self.assertEqual(service.delete_database(db=db).get_result(), {"ok": True})
        with self.assertRaises(ApiException) as refused:
            service.get_database_information(db=db)
        self.assertEqual(refused.exception.status_code, 404)

    def test_what_happens_to_databases_is_told(self):
        since = service.get_db_updates(since="now").get_result()["last_seq"]
        db = database()
        told = service.get_db_updates(since=since, feed="longpoll", timeout=10_000).get_result()
        self.assertIn(db, [row["db_name"] for row in told["results"]])


class Replication(unittest.TestCase):
    def test_documents_and_the_scheduler(self):
        source, target = database(numbered(9)), database()
        side = lambda db: ReplicationDatabase(
            url=f"{hub.origin}/{db}",
            auth=ReplicationDatabaseAuth(
                basic=ReplicationDatabaseAuthBasic(username=hub.user, password=hub.token)
            ),
        )
        wanted = ReplicationDocument(source=side(source), target=side(target))
        put = service.put_replication_document(doc_id=source, replication_document=wanted)
        self.assertTrue(put.get_result()["ok"])
        read = lambda: service.get_replication_document(doc_id=source).get_result()
        while read().get("_replication_state") != "completed":
            time.sleep(0.05)
        self.assertEqual(
            service.get_database_information(db=target).get_result()["doc_count"], 9
        )
        shown = service.get_scheduler_document(doc_id=source).get_result()
        self.assertEqual((shown["doc_id"], shown["state"]), (source, "completed"))
        docs = service.get_scheduler_docs(states=["completed"]).get_result()["docs"]
        self.assertIn(source, [doc["doc_id"] for doc in docs])
        self.assertEqual(service.get_scheduler_jobs().get_result()["jobs"], [])
        service.delete_replication_document(doc_id=source, rev=read()["_rev"])


class Documents(unittest.TestCase):
    def test_a_life(self):
        db = database()
        first = service.put_document(db=db, doc_id="a", document=Document(n=1)).get_result()
        read = service.get_document(db=db, doc_id="a")
        self.assertEqual(read.get_result()["n"], 1)
        self.assertEqual(read.get_headers()["ETag"], f'"{first["rev"]}"')
        head = service.head_document(db=db, doc_id="a", if_none_match='"1-other"')
        self.assertEqual(head.get_headers()["ETag"], f'"{first["rev"]}"')
        second = service.put_document(
            db=db, doc_id="a", document={"n": 2}, if_match=first["rev"]
        ).get_result()
        with self.assertRaises(ApiException) as refused:
            service.put_document(db=db, doc_id="a", document={"n": 3}, rev=first["rev"])
        self.assertEqual(refused.exception.status_code, 409)
        meta = service.get_document(db=db, doc_id="a", revs=True, revs_info=True, local_seq=True)
        self.assertEqual(meta.get_result()["_revisions"]["start"], 2)
        service.delete_document(db=db, doc_id="a", rev=second["rev"])
        with self.assertRaises(ApiException) as refused:
            service.get_document(db=db, doc_id="a")
        self.assertEqual(refused.exception.status_code, 404)
        posted = service.post_document(db=db, document=Document(n=5)).get_result()
        self.assertTrue(posted["ok"])
        streamed = service.get_document_as_stream(db=db, doc_id=posted["id"]).get_result()
        self.assertEqual(json.load(io.BytesIO(streamed.content))["n"], 5)

    def test_bulk_writes_and_reads(self):
        db = database()
        docs = [Document(id="a", n=1), Document(id="b", n=2)]
        rows = service.post_bulk_docs(db=db, bulk_docs=BulkDocs(docs=docs)).get_result()
        self.assertTrue(all(row["ok"] for row in rows))
        foreign = {"_id": "x", "_rev": "2-b", "_revisions": {"start": 2, "ids": ["b", "a"]}}
        kept = service.post_bulk_docs(db=db, bulk_docs={"docs": [foreign], "new_edits": False})
        self.assertEqual((kept.get_status_code(), kept.get_result()), (201, []))
        # A file of documents is sent as it is.
        file = io.BytesIO(json.dumps({"docs": numbered(50)}).encode())
        self.assertEqual(len(service.post_bulk_docs(db=db, bulk_docs=file).get_result()), 50)

        wanted = [BulkGetQueryDocument(id="x", rev="2-b"), BulkGetQueryDocument(id="nowhere")]
        read = service.post_bulk_get(db=db, docs=wanted, revs=True, latest=True).get_result()
        x, nowhere = (row["docs"][0] for row in read["results"])
        self.assertEqual(x["ok"]["_revisions"], foreign["_revisions"])
        self.assertEqual(nowhere["error"]["error"], "not_found")
        streamed = service.post_bulk_get_as_stream(db=db, docs=wanted).get_result()
        self.assertEqual(len(json.loads(streamed.content)["results"]), 2)

    def test_listings(self):
        db = database(numbered(10))
        ids = lambda result: [row["id"] for row in result["rows"]]
        some = service.post_all_docs(db=db, start_key="doc-003", end_key="doc-004").get_result()
        self.assertEqual(ids(some), ["doc-003", "doc-004"])
        chosen = service.post_all_docs(db=db, keys=["doc-009", "nowhere"], include_docs=True)
        rows = chosen.get_result()["rows"]
        self.assertEqual((rows[0]["doc"]["n"], rows[1]["error"]), (9, "not_found"))
        streamed = service.post_all_docs_as_stream(db=db, limit=2).get_result()
        self.assertEqual(ids(json.loads(streamed.content)), ["doc-000", "doc-001"])
        queries = [AllDocsQuery(limit=1, descending=True), AllDocsQuery(keys=["doc-001"])]
        results = service.post_all_docs_queries(db=db, queries=queries).get_result()["results"]
        self.assertEqual([ids(result) for result in results], [["doc-009"], ["doc-001"]])

    def test_design_documents_are_documents(self):
        db = database()
        garden = DesignDocument(language="javascript")
        put = service.put_design_document(db=db, ddoc="garden", design_document=garden)
        rev = put.get_result()["rev"]
        self.assertEqual(service.head_design_document(db=db, ddoc="garden").get_status_code(), 200)
        read = service.get_design_document(db=db, ddoc="garden").get_result()
        self.assertEqual((read["_id"], read["_rev"]), ("_design/garden", rev))
        listed = service.post_design_docs(db=db).get_result()
        self.assertEqual(len(listed["rows"]), 1)
        several = service.post_design_docs_queries(db=db, queries=[AllDocsQuery(limit=5)])
        self.assertEqual(len(several.get_result()["results"][0]["rows"]), 1)
        service.delete_design_document(db=db, ddoc="garden", rev=rev)

    def test_attachments(self):
        db = database()
        content = os.urandom(50_000)
        at = {"db": db, "doc_id": "x", "attachment_name": "a b"}
        # A compressed request would be an attachment that is kept compressed.
        put = client(gzip=False).put_attachment(
            **at, attachment=io.BytesIO(content), content_type="image/png"
        )
        rev = put.get_result()["rev"]
        self.assertEqual(service.get_attachment(**at).get_result().content, content)
        head = service.head_attachment(**at).get_headers()
        self.assertEqual(head["Content-Length"], str(len(content)))
        part = service.get_attachment(**at, range="bytes=10-19")
        self.assertEqual((part.get_status_code(), part.get_result().content), (206, content[10:20]))
        related = service.get_document_as_related(db=db, doc_id="x", attachments=True)
        self.assertIn(content, related.get_result().content)
        data = base64.b64encode(b"inline").decode()
        inline = {"_attachments": {"b": {"data": data, "content_type": "text/plain"}}}
        service.put_document(db=db, doc_id="y", document=inline)
        read = service.get_document(db=db, doc_id="y", attachments=True).get_result()
        self.assertEqual(Attachment.from_dict(read["_attachments"]["b"]).data, b"inline")
        service.delete_attachment(**at, rev=rev)
        with self.assertRaises(ApiException):
            service.get_attachment(**at)

    def test_local_documents_security_shards_and_differences(self):
        db = database(numbered(1))
        at = {"db": db, "doc_id": "mark"}
        put = service.put_local_document(**at, document={"n": 1}).get_result()
        self.assertEqual(put["rev"], "0-1")
        self.assertEqual(service.get_local_document(**at).get_result()["n"], 1)
        self.assertEqual(service.head_local_document(**at).get_status_code(), 200)
        service.delete_local_document(**at)

        admins = SecurityObject(names=["a"], roles=[])
        members = SecurityObject(names=[], roles=["reader"])
        service.put_security(db=db, admins=admins, members=members)
        read = service.get_security(db=db).get_result()
        self.assertEqual(read["members"]["roles"], ["reader"])

        self.assertEqual(len(service.get_shards_information(db=db).get_result()["shards"]), 1)
        one = service.get_document_shards_info(db=db, doc_id="doc-000").get_result()
        self.assertEqual(len(one["nodes"]), 1)
        diff = service.post_revs_diff(db=db, document_revisions={"doc-000": ["7-x"], "no": ["1-a"]})
        self.assertEqual(diff.get_result()["no"], {"missing": ["1-a"]})


class Partitions(unittest.TestCase):
    def test_documents_of_one_partition(self):
        db = fresh_name("ibmcloudant")
        service.put_database(db=db, partitioned=True)
        docs = [{"_id": docid} for docid in ("a:1", "a:2", "b:1")]
        service.post_bulk_docs(db=db, bulk_docs={"docs": docs})
        at = {"db": db, "partition_key": "a"}
        self.assertEqual(service.get_partition_information(**at).get_result()["doc_count"], 2)
        listed = service.post_partition_all_docs(**at, include_docs=True).get_result()
        self.assertEqual([row["id"] for row in listed["rows"]], ["a:1", "a:2"])
        paging = Pagination.new_pagination(
            service, PagerType.POST_PARTITION_ALL_DOCS, **at, limit=1
        )
        self.assertEqual(len(paging.pager().get_all()), 2)


class Changes(unittest.TestCase):
    def test_every_option(self):
        db = database(numbered(10))
        changes = lambda **options: service.post_changes(db=db, **options).get_result()
        page = changes(limit=4, include_docs=True, style="all_docs", conflicts=True)
        self.assertEqual((len(page["results"]), page["pending"]), (4, 6))
        self.assertEqual(len(changes(since=page["last_seq"])["results"]), 6)
        chosen = changes(doc_ids=["doc-003"], filter="_doc_ids")
        self.assertEqual([row["id"] for row in chosen["results"]], ["doc-003"])
        narrowed = changes(selector={"n": {"$gt": 7}}, filter="_selector")
        self.assertEqual([row["id"] for row in narrowed["results"]], ["doc-008", "doc-009"])
        self.assertEqual(changes(descending=True)["results"][0]["id"], "doc-009")
        stream = service.post_changes_as_stream(db=db, feed="continuous", since="0", timeout=1)
        lines = [json.loads(line) for line in stream.get_result().iter_lines() if line]
        self.assertEqual((len(lines), "last_seq" in lines[-1]), (11, True))

    def test_followers(self):
        db = database(numbered(250))
        seen = {change.id for change in ChangesFollower(service, db=db).start_one_off()}
        self.assertEqual(len(seen), 250)
        limited = ChangesFollower(service, db=db, include_docs=True, limit=20)
        self.assertEqual([change.doc.n for change in limited.start_one_off()], list(range(20)))
        follower = ChangesFollower(service, db=db, since="0")
        listening = follower.start()
        for change in itertools.islice(listening, 250):
            self.assertIn(change.id, seen)
        service.post_document(db=db, document={"_id": "later"})
        self.assertEqual(next(listening).id, "later")
        # Stopping waits for the answer under way, which one more change brings.
        stopping = threading.Thread(target=follower.stop)
        stopping.start()
        while stopping.is_alive():
            service.post_document(db=db, document={})
            stopping.join(0.05)

    def test_documents_are_found(self):
        db = database(numbered(30))
        index = {"fields": [{"n": "asc"}]}
        made = service.post_index(db=db, index=index, ddoc="n", name="n", type="json")
        self.assertEqual(made.get_result()["result"], "created")
        query = {"db": db, "selector": {"n": {"$gt": 9}}, "sort": [{"n": "desc"}], "limit": 2}
        found = service.post_find(**query, use_index=["n"]).get_result()
        self.assertEqual([doc["n"] for doc in found["docs"]], [29, 28])
        told = service.post_explain(**query).get_result()
        self.assertEqual(told["index"]["name"], "n")
        options = {"db": db, "selector": {"n": {"$gt": 9}}, "limit": 8}
        paging = Pagination.new_pagination(service, PagerType.POST_FIND, **options)
        self.assertEqual([len(page) for page in paging.pages()], [8, 8, 4])
        service.delete_index(db=db, ddoc="n", type="json", index="n")
        self.assertEqual(service.get_indexes_information(db=db).get_result()["total_rows"], 1)

    def test_pages(self):
        db = database(numbered(65))
        options = {"db": db, "limit": 20, "include_docs": True}
        paging = Pagination.new_pagination(service, PagerType.POST_ALL_DOCS, **options)
        self.assertEqual([len(page) for page in paging.pages()], [20, 20, 20, 5])
        self.assertEqual(len({row.id for row in paging.rows()}), 65)
        self.assertEqual(len(paging.pager().get_all()), 65)


if __name__ == "__main__":
    main()
