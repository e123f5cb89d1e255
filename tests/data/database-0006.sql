-- A database of revision 0006, as the migrations made it that are one now, with rows of each kind.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE collections (
	id CHAR(32) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	created_at DATETIME NOT NULL, visibility VARCHAR(20) DEFAULT 'everyone' NOT NULL, 
	CONSTRAINT pk_collections PRIMARY KEY (id), 
	CONSTRAINT uq_collections_name UNIQUE (name)
);
CREATE TABLE generations (
	id INTEGER NOT NULL, 
	embedder VARCHAR(200) NOT NULL, 
	dimension INTEGER NOT NULL, 
	chunk_tokens INTEGER NOT NULL, 
	threshold DOUBLE NOT NULL, 
	active INTEGER, 
	revision BIGINT NOT NULL, 
	purged_revision BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, languages JSON DEFAULT '[]' NOT NULL, built_at DATETIME, activated_at DATETIME, previous_id INTEGER, lease_owner VARCHAR(36), lease_until DATETIME, gate JSON, 
	CONSTRAINT pk_generations PRIMARY KEY (id), 
	CONSTRAINT uq_generations_active UNIQUE (active)
);
CREATE TABLE users (
	id CHAR(32) NOT NULL, 
	username VARCHAR(150) NOT NULL, 
	username_key VARCHAR(450) NOT NULL, 
	email VARCHAR(320) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	first_name VARCHAR(150) NOT NULL, 
	last_name VARCHAR(150) NOT NULL, 
	is_verified BOOLEAN NOT NULL, 
	is_admin BOOLEAN NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_email UNIQUE (email), 
	CONSTRAINT uq_users_username_key UNIQUE (username_key)
);
CREATE TABLE chat_sessions (
	id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	next_position INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, visitor VARCHAR(128) DEFAULT '' NOT NULL, titled_by_person BOOLEAN DEFAULT 0 NOT NULL, answering_id CHAR(32), answering_until DATETIME, stop_asked BOOLEAN DEFAULT 0 NOT NULL, answering_to CHAR(32), 
	CONSTRAINT pk_chat_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_chat_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_chat_sessions_updated_at ON chat_sessions (updated_at);
CREATE TABLE documents (
	id CHAR(32) NOT NULL, 
	collection_id CHAR(32) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	source VARCHAR(500) NOT NULL, 
	document_type VARCHAR(50) NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	version INTEGER NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	chunk_count INTEGER NOT NULL, 
	chunks_done INTEGER NOT NULL, 
	chunks_total INTEGER NOT NULL, 
	language VARCHAR(10), 
	error_code VARCHAR(40), 
	error_detail VARCHAR(500), 
	blocked_because VARCHAR(500), 
	attempts INTEGER NOT NULL, 
	next_attempt_at DATETIME NOT NULL, 
	lease_owner VARCHAR(36), 
	lease_until DATETIME, 
	metadata JSON NOT NULL, 
	uploaded_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, url VARCHAR(2000), 
	CONSTRAINT pk_documents PRIMARY KEY (id), 
	CONSTRAINT fk_documents_collection_id_collections FOREIGN KEY(collection_id) REFERENCES collections (id)
);
CREATE INDEX ix_documents_collection_id_content_hash ON documents (collection_id, content_hash);
CREATE INDEX ix_documents_collection_id_source ON documents (collection_id, source);
CREATE INDEX ix_documents_status_next_attempt_at ON documents (status, next_attempt_at);
CREATE INDEX ix_documents_uploaded_at_id ON documents (uploaded_at, id);
CREATE TABLE mails (
	id CHAR(32) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	recipient VARCHAR(320) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_attempt_at DATETIME NOT NULL, 
	error VARCHAR(200), 
	created_at DATETIME NOT NULL, 
	sent_at DATETIME, language VARCHAR(5) DEFAULT 'en' NOT NULL, 
	CONSTRAINT pk_mails PRIMARY KEY (id), 
	CONSTRAINT fk_mails_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_mails_status_next_attempt_at ON mails (status, next_attempt_at);
CREATE INDEX ix_mails_user_id ON mails (user_id);
CREATE TABLE token_families (
	id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	current_jti VARCHAR(36) NOT NULL, 
	created_at DATETIME NOT NULL, 
	last_used_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	revoked_because VARCHAR(40), parent_jti VARCHAR(36), rotated_at DATETIME, rotations INTEGER DEFAULT '0' NOT NULL, device VARCHAR(100) DEFAULT '' NOT NULL, network VARCHAR(50) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_token_families PRIMARY KEY (id), 
	CONSTRAINT fk_token_families_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_token_families_expires_at ON token_families (expires_at);
CREATE INDEX ix_token_families_user_id ON token_families (user_id);
CREATE TABLE document_versions (
	id INTEGER NOT NULL, 
	document_id CHAR(32) NOT NULL, 
	version INTEGER NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	filename VARCHAR(255) NOT NULL, 
	media_type VARCHAR(100), 
	content BLOB, 
	text TEXT, 
	pages JSON NOT NULL, 
	created_at DATETIME NOT NULL, size_bytes INTEGER DEFAULT '0' NOT NULL, in_file BOOLEAN DEFAULT 0 NOT NULL, simhash BIGINT, instruction_score DOUBLE, 
	CONSTRAINT pk_document_versions PRIMARY KEY (id), 
	CONSTRAINT fk_document_versions_document_id_documents FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE, 
	CONSTRAINT uq_document_versions_document_id_version UNIQUE (document_id, version)
);
CREATE TABLE messages (
	id CHAR(32) NOT NULL, 
	chat_session_id CHAR(32) NOT NULL, 
	parent_id CHAR(32), 
	position INTEGER NOT NULL, 
	is_user BOOLEAN NOT NULL, 
	author VARCHAR(150), 
	content TEXT NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	metadata JSON NOT NULL, 
	created_at DATETIME NOT NULL, rating VARCHAR(10), comment TEXT, rated_at DATETIME, 
	CONSTRAINT pk_messages PRIMARY KEY (id), 
	CONSTRAINT fk_messages_chat_session_id_chat_sessions FOREIGN KEY(chat_session_id) REFERENCES chat_sessions (id) ON DELETE CASCADE, 
	CONSTRAINT fk_messages_parent_id_messages FOREIGN KEY(parent_id) REFERENCES messages (id) ON DELETE SET NULL, 
	CONSTRAINT uq_messages_chat_session_id_position UNIQUE (chat_session_id, position)
);
CREATE INDEX ix_messages_created_at ON messages (created_at);
CREATE INDEX ix_messages_parent_id ON messages (parent_id);
CREATE TABLE chunks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	generation_id INTEGER NOT NULL, 
	document_id CHAR(32) NOT NULL, 
	version_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	ordinal INTEGER NOT NULL, 
	char_start INTEGER NOT NULL, 
	char_end INTEGER NOT NULL, 
	page INTEGER, 
	headings JSON NOT NULL, 
	text TEXT NOT NULL, 
	tokens INTEGER NOT NULL, 
	text_hash VARCHAR(64) NOT NULL, 
	embedding BLOB, 
	added_revision BIGINT, 
	removed_revision BIGINT, 
	CONSTRAINT fk_chunks_document_id_documents FOREIGN KEY(document_id) REFERENCES documents (id) ON DELETE CASCADE, 
	CONSTRAINT fk_chunks_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE, 
	CONSTRAINT fk_chunks_version_id_document_versions FOREIGN KEY(version_id) REFERENCES document_versions (id) ON DELETE CASCADE, 
	CONSTRAINT uq_chunks_generation_id_version_id_ordinal UNIQUE (generation_id, version_id, ordinal)
);
CREATE INDEX ix_chunks_document_id ON chunks (document_id);
CREATE INDEX ix_chunks_generation_id_added_revision ON chunks (generation_id, added_revision);
CREATE INDEX ix_chunks_generation_id_removed_revision ON chunks (generation_id, removed_revision);
CREATE INDEX ix_chunks_generation_id_text_hash ON chunks (generation_id, text_hash);
CREATE INDEX ix_chunks_version_id ON chunks (version_id);
CREATE TABLE api_keys (
	id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	prefix VARCHAR(20) NOT NULL, 
	key_hash VARCHAR(64) NOT NULL, 
	scopes JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	last_used_at DATETIME, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT fk_api_keys_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash)
);
CREATE INDEX ix_api_keys_user_id_created_at_id ON api_keys (user_id, created_at, id);
CREATE TABLE daily_usage (
	user_id CHAR(32) NOT NULL, 
	visitor VARCHAR(128) NOT NULL, 
	day DATE NOT NULL, 
	answers INTEGER NOT NULL, 
	tokens BIGINT NOT NULL, cost_micros BIGINT DEFAULT '0' NOT NULL, unpriced INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_daily_usage PRIMARY KEY (user_id, visitor, day), 
	CONSTRAINT fk_daily_usage_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE idempotency_keys (
	id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	visitor VARCHAR(128) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	request_hash VARCHAR(64) NOT NULL, 
	status INTEGER, 
	body TEXT, 
	lease_until DATETIME, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (id), 
	CONSTRAINT fk_idempotency_keys_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE UNIQUE INDEX uq_idempotency_keys_user_id_visitor_key ON idempotency_keys (user_id, visitor, "key");
CREATE TABLE security_events (
	id CHAR(32) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	user_id CHAR(32), 
	actor_id CHAR(32), 
	request_id VARCHAR(128), 
	network VARCHAR(50) NOT NULL, 
	device VARCHAR(100) NOT NULL, 
	detail JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_security_events PRIMARY KEY (id), 
	CONSTRAINT fk_security_events_actor_id_users FOREIGN KEY(actor_id) REFERENCES users (id) ON DELETE SET NULL, 
	CONSTRAINT fk_security_events_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX ix_security_events_actor_id ON security_events (actor_id);
CREATE INDEX ix_security_events_created_at_id ON security_events (created_at, id);
CREATE INDEX ix_security_events_user_id_created_at ON security_events (user_id, created_at);
CREATE INDEX ix_chat_sessions_user_id_visitor_updated_at_id ON chat_sessions (user_id, visitor, updated_at, id);
CREATE INDEX ix_users_created_at_id ON users (created_at, id);
CREATE TABLE collection_members (
	collection_id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_collection_members PRIMARY KEY (collection_id, user_id), 
	CONSTRAINT fk_collection_members_collection_id_collections FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE, 
	CONSTRAINT fk_collection_members_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_collection_members_user_id ON collection_members (user_id);
CREATE TABLE workers (
	name VARCHAR(100) NOT NULL, 
	started_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (name)
);
CREATE VIRTUAL TABLE chunk_terms USING fts5(terms, tokenize = 'ascii');
CREATE VIRTUAL TABLE chunk_terms_words USING fts5vocab('chunk_terms', 'row');
CREATE TRIGGER chunk_terms_deleted AFTER DELETE ON chunks BEGIN DELETE FROM chunk_terms WHERE rowid = old.id; END;
CREATE TRIGGER chunk_terms_emptied AFTER UPDATE OF text ON chunks WHEN new.text = '' BEGIN DELETE FROM chunk_terms WHERE rowid = old.id; END;
CREATE TABLE chat_members (
	chat_session_id CHAR(32) NOT NULL, 
	user_id CHAR(32) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_chat_members PRIMARY KEY (chat_session_id, user_id), 
	CONSTRAINT fk_chat_members_chat_session_id_chat_sessions FOREIGN KEY(chat_session_id) REFERENCES chat_sessions (id) ON DELETE CASCADE, 
	CONSTRAINT fk_chat_members_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_chat_members_user_id ON chat_members (user_id);
CREATE TABLE message_traces (
	message_id CHAR(32) NOT NULL, 
	trace JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_message_traces PRIMARY KEY (message_id), 
	CONSTRAINT fk_message_traces_message_id_messages FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE TABLE evaluation_cases (
	id CHAR(32) NOT NULL, 
	set_name VARCHAR(100) NOT NULL, 
	question TEXT NOT NULL, 
	relevant JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_evaluation_cases PRIMARY KEY (id)
);
CREATE INDEX ix_chat_sessions_answering_until ON chat_sessions (answering_until) WHERE answering_id IS NOT NULL;
CREATE INDEX ix_evaluation_cases_set_name_created_at ON evaluation_cases (set_name, created_at);
CREATE TABLE index_files (
	token VARCHAR(32) NOT NULL, 
	generation_id INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_index_files PRIMARY KEY (token), 
	CONSTRAINT fk_index_files_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE
);
INSERT INTO alembic_version (version_num) VALUES ('0006');
INSERT INTO collections (id, name, created_at, visibility) VALUES ('bc2c6792b76745b686611e9c3c7bee0c', 'default', '2026-11-30 12:55:32.855489', 'everyone');
INSERT INTO generations (id, embedder, dimension, chunk_tokens, threshold, active, revision, purged_revision, created_at, languages, built_at, activated_at, previous_id, lease_owner, lease_until, gate) VALUES (1, 'all-MiniLM-L6-v2', 384, 230, 0.36, 1, 1, 0, '2026-11-30 12:55:43.807452', '[""]', '2026-11-30 12:55:43.800595', '2026-11-30 12:55:43.800603', NULL, NULL, NULL, NULL);
INSERT INTO users (id, username, username_key, email, password_hash, first_name, last_name, is_verified, is_admin, is_active, created_at) VALUES ('304545e2bdc74219bcdda58b6982640a', 'ada', 'ada', 'ada@example.com', '!', '', '', 1, 1, 1, '2026-11-30 12:56:03.161583');
INSERT INTO chat_sessions (id, user_id, title, next_position, created_at, updated_at, visitor, titled_by_person, answering_id, answering_until, stop_asked, answering_to) VALUES ('8b7d68d62c3346cd80724ab152e773d1', '304545e2bdc74219bcdda58b6982640a', 'When does the shop open?', 2, '2026-11-30 12:57:52.696295', '2026-11-30 12:57:55.711663', '', 0, NULL, '2026-11-30 12:58:22.696295', 0, 'edeed1521e0444468ade125527c41ec2');
INSERT INTO documents (id, collection_id, title, source, document_type, is_active, status, version, content_hash, size_bytes, chunk_count, chunks_done, chunks_total, language, error_code, error_detail, blocked_because, attempts, next_attempt_at, lease_owner, lease_until, metadata, uploaded_at, updated_at, url) VALUES ('1111a5b04bb7406e9d1c601f9a655863', 'bc2c6792b76745b686611e9c3c7bee0c', 'Opening hours', 'tmp/hours.md', 'article', 1, 'ready', 1, '9e3e018d16236d6564807755f503ec0d9140e93a2d8e09f4aff1e1a726ffe81b', 41, 1, 1, 1, NULL, NULL, NULL, NULL, 1, '2026-11-30 12:55:42.670238', NULL, NULL, '{}', '2026-11-30 12:55:42.670247', '2026-11-30 12:55:43.911084', NULL);
INSERT INTO document_versions (id, document_id, version, content_hash, filename, media_type, content, text, pages, created_at, size_bytes, in_file, simhash, instruction_score) VALUES (1, '1111a5b04bb7406e9d1c601f9a655863', 1, '9e3e018d16236d6564807755f503ec0d9140e93a2d8e09f4aff1e1a726ffe81b', 'hours.md', 'text/markdown', X'23204f70656e696e6720686f7572730a0a5468652073686f70206f70656e73206174206e696e652e0a', '# Opening hours

The shop opens at nine.
', '[]', '2026-11-30 12:55:42.673350', 41, 0, -2283133542326675683, 0.0);
INSERT INTO messages (id, chat_session_id, parent_id, position, is_user, author, content, status, metadata, created_at, rating, comment, rated_at) VALUES ('edeed1521e0444468ade125527c41ec2', '8b7d68d62c3346cd80724ab152e773d1', NULL, 0, 1, 'ada', 'When does the shop open?', 'complete', '{}', '2026-11-30 12:57:52.702250', NULL, NULL, NULL);
INSERT INTO messages (id, chat_session_id, parent_id, position, is_user, author, content, status, metadata, created_at, rating, comment, rated_at) VALUES ('72df0ee18ad64f0993a4b5cd9440d667', '8b7d68d62c3346cd80724ab152e773d1', 'edeed1521e0444468ade125527c41ec2', 1, 0, NULL, 'The shop opens at nine. [1]', 'complete', '{"model": "extractive", "fallback_from": null, "finish_reason": "stop", "refused": false, "cached": false, "context_used": true, "retrieved_docs": [{"rank": 1, "document_id": "1111a5b0-4bb7-406e-9d1c-601f9a655863", "title": "Opening hours", "source": "tmp/hours.md", "version": 1, "chunk_id": 1, "page": null, "char_start": 0, "char_end": 40, "text": "# Opening hours\n\nThe shop opens at nine.", "scores": {"dense": 0.6178, "keyword": 0.6832, "fused": 1.0, "evidence": 0.6815}}], "nearest_docs": [], "grounding": {"status": "grounded", "top_score": 1.0, "threshold": 0.6744, "lower_threshold": 0.1722, "unsupported": 0}, "citations": [{"marker": 1, "answer_start": 0, "answer_end": 23, "document_id": "1111a5b0-4bb7-406e-9d1c-601f9a655863", "version": 1, "chunk_id": 1, "page": null, "char_start": 17, "char_end": 40, "quote": "The shop opens at nine.", "verified": true}], "removed_markers": 0, "unverified_markers": 0, "usage": {"prompt_tokens": 0, "completion_tokens": 0, "estimated": false, "cost_usd": "0.000000", "total_tokens": 0}, "timings_ms": {"condense": 0, "retrieve": 2892, "first_token": 2922, "total": 2922}, "removed_links": 0, "question": "When does the shop open?", "prompt_version": "bd4665e847ac", "suggestions": []}', '2026-11-30 12:57:55.711663', NULL, NULL, NULL);
INSERT INTO chunks (id, generation_id, document_id, version_id, version, ordinal, char_start, char_end, page, headings, text, tokens, text_hash, embedding, added_revision, removed_revision) VALUES (1, 1, '1111a5b04bb7406e9d1c601f9a655863', 1, 1, 0, 0, 40, NULL, '["Opening hours"]', '# Opening hours

The shop opens at nine.', 9, '9ae585e09c91eac85b132cdbe98f0d1188690c83497b254727fac89f9e32cfe9', X'006c5bbcda0456bc617d13bcec21903cc2126a3dafcdd93c98627bbcf983723dee9a39bd2704edbcd21189b8747d5dbc4ff791bde9e4203d96dc293dfca71dbd31610d3c0f99dfbdf57f503d13d1cfbdb9f4703d83284ebc2b3d443db3230cbdfcae18bb146df93cf8c934bdba3c2b3d527e31bbf67545bc1c89e6bcf93d013d4904bd3ddf84503dd65fc73d023b9f3c2a63153d79803b3b259a29bdf6fd2d3d426aa33dbe7f73bdc8fbfdbcb62a533d289fbcbc2b7d9f3cf7f04d3d873537bb7cb4ec3b68a2123e7cbdcc3c9ac24f3dc419fbbc31564dbc3e2100bc417d1e3d99103fbc43bd3cbcab7665bc0fd4de3c8239bfbb8dd0f33c492b93bdb4ebd53c750d663db975b3bc08440dbe483f2e3dd45124bdd9a495bdcdb99f3cf07d4abb4bf23bbde3da1f3d3e7d1fbd6f4d263d84fc1b3dd02f50bdbab53d3d7f6c95bd164a5dbc3d1d47bdcc60f7bcf9e6133cdf3820bdfec909bdb339793d0b4c063ebc0cd13de23721bd32ec093d7ec12c3d69e9e3bd7e2c333db7b7e53c4331cfbc0ce79dbc1924c13d55fd81bb75c8943c838d17bd8d82bdbc1b463cbcb452343d2975babc125f4fbcdd52493d72abd03d658f02bd23ef43bce9322abd94a921bb0ff9d13d825158bd62a89d3db813e33c6dce9dbdf1c2163ded17673d76d6573d3e5a443d8c75923db685ab3a0fc45cbd19bf8ebd49dc5d3d7e13253d6f4b1588f230cbbcd7549a3cf87372bce7a4383d1bcf353de61fb4bc05fd81bd7798b53dfc20a6bcd5e9003eee5144bdde1782bda22cbebdcc275f3b612c293cd491253c18875a3dd8a0ca3d59fbc6ba8e1a96bd9679efbc3d3f86bc7a94a7bd8f33243d50cb72b957a6903d8fe5f03ba3cbf13c98b1013e1a2cd73c2f047a3d804430bdb0253ebd97667c3cd834fa3bf2478d3d274c0c39f7f6f63c7adb6cba73779fbd3392d4bce90fa6bb220e5c3ca7b63bbd83c7513cfc3ab23cf14e8b3c2066a5bd68e51e3d6b57bf3d769b21bd4229a23bfd6fb93b58a2073da6b795bc6cdf85bd8e38a03c1cf90fbd17a478bcb9f82b3d2418ac3d3e31053df9ad3abdb2d5c1bdfc8da4bcb37dd7bcefe0a13d49772dbd00f4983df67f213d0b82dfbc324c0e3cb4ae363df35c8dbcb6b707bd3abe183dfc138e3d1c20ce3c48d725bc8bf0d4bb30fb733da30eaebc5783493dc0368f3b241a3d3d085125bdedf6573c1e66df3ccf9d96bd590450bd806fb8bc873e913c4266c63bf477623dd0e845bd992b6708866968bc5e4861bd83aacfbd28ceeb3cf9ce16bda3d3893c491016bd50a0003c6ee0a73db05f9b3d26c27d3c236536bd40506c3d475bdfbd4c70c73c82b692bcbf25d63d644d183d9507f3bb06490c3ddc092c3c48bd71bc47b0f2bc7d6202bd5bc4033d872bac3d85d9483d56e184ba162f64bd0268473d8d03cfbd1fb9ddbd1efc3fbd4d7ce13db4f24abdaa8e51bc075565bd66515a3c4610893d1c84403d7ecec73dff0b02bdac9fa33c51d323bccba8bbbd0c089d3d98e9ea3cb703d5bd238f5abd985d3a3ccb020a3d4a0706bd3de4fdbcf619b6bde2f8b6bc3a2f283d63548e3c6e466fbdabe097bce676693ce73cc03d7b3a193d6977e3bd2276a3bcb67badbd65421bbd7588aa3c4c06a7bc1e10c9bc747aa1bd10ae233d7f2be93cab3bfdbc171864bd2c380bbe03d31abdcc50753d59d1273d865808bd07ac36bdc4cd7dbd955051bccd21a5bb413ea6bcd066adbcbfdc523d3e01fc3cb714bf3ce2ed623d98d2433d56a394ba0359bb3d9bed013a0fe5143d55d774bd5d5a99b25324ec3c113197bd7f248d3d0dcff63c82a50e3d97186abdf2ed5b3d71f1943ddaef3f3d304eff3d7820cd3ddb1326bd65fa2fbddfe4a2bc1b7c30bcf5749dbd63f0f6bcdcfafabbb442c9bc459181bd2b3bccbcd7a9c63c57fc903d8632a0bcc11715bda36b213c0ed089bdb945913c46d7be3dd1551a3d82c78d3d91a2003d8f6227bd2e4e35bd5efaa1bda65f52bdfd2429bb855b0e3dd2918dbd44e78c3cc0e7073aed90b1bdcb649dbd523fa8bc725418bd47e53abc877453bd67271e3d5fa8f0bc020052bd5ebad1ba44501c3d80a501bc3f5b3fbd3884213da9d812bda36f4c3b8852c0bcd4cd6d3c01af063df7da50bc074d753c7edde4bd3b9241bd', 1, NULL);
