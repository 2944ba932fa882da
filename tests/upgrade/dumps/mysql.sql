
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
DROP TABLE IF EXISTS `auth_group`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_group` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(150) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_group` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_group` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_group_permissions`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_group_permissions` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `group_id` int(11) NOT NULL,
  `permission_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_group_permissions_group_id_permission_id_0cd325b0_uniq` (`group_id`,`permission_id`),
  KEY `auth_group_permissio_permission_id_84c5c92e_fk_auth_perm` (`permission_id`),
  CONSTRAINT `auth_group_permissio_permission_id_84c5c92e_fk_auth_perm` FOREIGN KEY (`permission_id`) REFERENCES `auth_permission` (`id`),
  CONSTRAINT `auth_group_permissions_group_id_b120cbf9_fk_auth_group_id` FOREIGN KEY (`group_id`) REFERENCES `auth_group` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_group_permissions` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_group_permissions` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_permission`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_permission` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `content_type_id` int(11) NOT NULL,
  `codename` varchar(100) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_permission_content_type_id_codename_01ab375a_uniq` (`content_type_id`,`codename`),
  CONSTRAINT `auth_permission_content_type_id_2f476e4b_fk_django_co` FOREIGN KEY (`content_type_id`) REFERENCES `django_content_type` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=86 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_permission` DISABLE KEYS */;
INSERT INTO `auth_permission` VALUES
(1,'Can add permission',3,'add_permission'),
(2,'Can change permission',3,'change_permission'),
(3,'Can delete permission',3,'delete_permission'),
(4,'Can view permission',3,'view_permission'),
(5,'Can add group',4,'add_group'),
(6,'Can change group',4,'change_group'),
(7,'Can delete group',4,'delete_group'),
(8,'Can view group',4,'view_group'),
(9,'Can add user',5,'add_user'),
(10,'Can change user',5,'change_user'),
(11,'Can delete user',5,'delete_user'),
(12,'Can view user',5,'view_user'),
(13,'Can add content type',6,'add_contenttype'),
(14,'Can change content type',6,'change_contenttype'),
(15,'Can delete content type',6,'delete_contenttype'),
(16,'Can view content type',6,'view_contenttype'),
(17,'Can add project',7,'add_projectstate'),
(18,'Can change project',7,'change_projectstate'),
(19,'Can delete project',7,'delete_projectstate'),
(20,'Can view project',7,'view_projectstate'),
(21,'Can have a paused project tried again now',7,'resume_projectstate'),
(22,'Can add job',8,'add_job'),
(23,'Can change job',8,'change_job'),
(24,'Can delete job',8,'delete_job'),
(25,'Can view job',8,'view_job'),
(26,'Can have a job carried out now',8,'carry_out_job'),
(27,'Can add document',9,'add_render'),
(28,'Can change document',9,'change_render'),
(29,'Can delete document',9,'delete_render'),
(30,'Can view document',9,'view_render'),
(31,'Can retry a document',9,'retry_render'),
(32,'Can withdraw a document',9,'withdraw_render'),
(33,'Can open the PDF of a document',9,'download_render'),
(34,'Can have a document mailed',9,'email_render'),
(35,'Can add link',10,'add_share'),
(36,'Can change link',10,'change_share'),
(37,'Can delete link',10,'delete_share'),
(38,'Can view link',10,'view_share'),
(39,'Can revoke a link',10,'revoke_share'),
(40,'Can see and open a link',10,'see_share_link'),
(41,'Can add webhook delivery',11,'add_webhookdelivery'),
(42,'Can change webhook delivery',11,'change_webhookdelivery'),
(43,'Can delete webhook delivery',11,'delete_webhookdelivery'),
(44,'Can view webhook delivery',11,'view_webhookdelivery'),
(45,'Can work a webhook delivery off again',11,'replay_webhookdelivery'),
(46,'Can add change',12,'add_change'),
(47,'Can change change',12,'change_change'),
(48,'Can delete change',12,'delete_change'),
(49,'Can view change',12,'view_change'),
(50,'Can call a receiver that failed again',12,'replay_change'),
(51,'Can add engagement event',13,'add_engagementevent'),
(52,'Can change engagement event',13,'change_engagementevent'),
(53,'Can delete engagement event',13,'delete_engagementevent'),
(54,'Can view engagement event',13,'view_engagementevent'),
(55,'Can add recipient',14,'add_signaturerecipient'),
(56,'Can change recipient',14,'change_signaturerecipient'),
(57,'Can delete recipient',14,'delete_signaturerecipient'),
(58,'Can view recipient',14,'view_signaturerecipient'),
(59,'Can add archived file',15,'add_archivedfile'),
(60,'Can change archived file',15,'change_archivedfile'),
(61,'Can delete archived file',15,'delete_archivedfile'),
(62,'Can view archived file',15,'view_archivedfile'),
(63,'Can add signature request',16,'add_signaturerequest'),
(64,'Can change signature request',16,'change_signaturerequest'),
(65,'Can delete signature request',16,'delete_signaturerequest'),
(66,'Can view signature request',16,'view_signaturerequest'),
(67,'Can cancel a signature request',16,'cancel_signaturerequest'),
(68,'Can send a rejected signature request again',16,'retry_signaturerequest'),
(69,'Can open the signed PDF and its certificate',16,'download_signaturerequest'),
(70,'Can add order',1,'add_order'),
(71,'Can change order',1,'change_order'),
(72,'Can delete order',1,'delete_order'),
(73,'Can view order',1,'view_order'),
(74,'Can add line',17,'add_line'),
(75,'Can change line',17,'change_line'),
(76,'Can delete line',17,'delete_line'),
(77,'Can view line',17,'view_line'),
(78,'Can add rush order',2,'add_rushorder'),
(79,'Can change rush order',2,'change_rushorder'),
(80,'Can delete rush order',2,'delete_rushorder'),
(81,'Can view rush order',2,'view_rushorder'),
(82,'Can add seat',18,'add_seat'),
(83,'Can change seat',18,'change_seat'),
(84,'Can delete seat',18,'delete_seat'),
(85,'Can view seat',18,'view_seat');
/*!40000 ALTER TABLE `auth_permission` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `password` varchar(128) NOT NULL,
  `last_login` datetime(6) DEFAULT NULL,
  `is_superuser` tinyint(1) NOT NULL,
  `username` varchar(150) NOT NULL,
  `first_name` varchar(150) NOT NULL,
  `last_name` varchar(150) NOT NULL,
  `email` varchar(254) NOT NULL,
  `is_staff` tinyint(1) NOT NULL,
  `is_active` tinyint(1) NOT NULL,
  `date_joined` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username` (`username`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_user` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user_groups`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user_groups` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `user_id` int(11) NOT NULL,
  `group_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_user_groups_user_id_group_id_94350c0c_uniq` (`user_id`,`group_id`),
  KEY `auth_user_groups_group_id_97559544_fk_auth_group_id` (`group_id`),
  CONSTRAINT `auth_user_groups_group_id_97559544_fk_auth_group_id` FOREIGN KEY (`group_id`) REFERENCES `auth_group` (`id`),
  CONSTRAINT `auth_user_groups_user_id_6a12ed8b_fk_auth_user_id` FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user_groups` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_user_groups` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user_user_permissions`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user_user_permissions` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `user_id` int(11) NOT NULL,
  `permission_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_user_user_permissions_user_id_permission_id_14a6b632_uniq` (`user_id`,`permission_id`),
  KEY `auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm` (`permission_id`),
  CONSTRAINT `auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm` FOREIGN KEY (`permission_id`) REFERENCES `auth_permission` (`id`),
  CONSTRAINT `auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id` FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user_user_permissions` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_user_user_permissions` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_archivedfile`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_archivedfile` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `kind` varchar(16) NOT NULL,
  `object_id` bigint(20) NOT NULL,
  `name` varchar(255) NOT NULL,
  `size` bigint(20) unsigned NOT NULL CHECK (`size` >= 0),
  `sha256` varchar(64) NOT NULL,
  `archived_at` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_archived_object` (`kind`,`object_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_archivedfile` DISABLE KEYS */;
/*!40000 ALTER TABLE `craftkit_archivedfile` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_change`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_change` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `kind` varchar(32) NOT NULL,
  `object_id` bigint(20) NOT NULL,
  `attempt` int(10) unsigned NOT NULL CHECK (`attempt` >= 0),
  `from_status` varchar(16) NOT NULL,
  `to_status` varchar(16) NOT NULL,
  `cause` varchar(16) NOT NULL,
  `note` longtext NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `signal` varchar(32) NOT NULL,
  `announcement` varchar(16) NOT NULL,
  `receivers` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`receivers`)),
  `person_id` int(11) DEFAULT NULL,
  `recipient_id` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `craftkit_change_person_id_58d0fcd2_fk_auth_user_id` (`person_id`),
  KEY `craftkit_change_object` (`kind`,`object_id`,`id`),
  KEY `craftkit_change_due` (`announcement`,`kind`,`object_id`),
  KEY `craftkit_change_recipient_id_579b3b90_fk_craftkit_` (`recipient_id`),
  CONSTRAINT `craftkit_change_person_id_58d0fcd2_fk_auth_user_id` FOREIGN KEY (`person_id`) REFERENCES `auth_user` (`id`),
  CONSTRAINT `craftkit_change_recipient_id_579b3b90_fk_craftkit_` FOREIGN KEY (`recipient_id`) REFERENCES `craftkit_signaturerecipient` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=44 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_change` DISABLE KEYS */;
INSERT INTO `craftkit_change` VALUES
(1,'render',1,1,'pending','queued','answer','','2026-11-28 18:09:00.128357','','',NULL,NULL,NULL),
(2,'render',2,1,'pending','queued','answer','','2026-11-28 18:09:00.128357','','',NULL,NULL,NULL),
(3,'render',3,1,'pending','queued','answer','','2026-11-28 18:09:00.128357','','',NULL,NULL,NULL),
(4,'render',1,1,'queued','failed','webhook','Injected by the sandbox.','2026-11-28 18:09:00.128357','render_failed','',NULL,NULL,NULL),
(5,'render',2,1,'queued','succeeded','webhook','','2026-11-28 18:09:00.128357','render_succeeded','',NULL,NULL,NULL),
(6,'render',3,1,'queued','succeeded','webhook','','2026-11-28 18:09:00.128357','render_succeeded','',NULL,NULL,NULL),
(7,'render',1,2,'failed','pending','asked','','2026-11-28 18:09:30.537702','','',NULL,NULL,NULL),
(8,'render',1,2,'pending','queued','answer','','2026-11-28 18:09:30.559480','','',NULL,NULL,NULL),
(9,'render',1,2,'queued','succeeded','webhook','','2026-11-28 18:09:30.559480','render_succeeded','',NULL,NULL,NULL),
(10,'render',4,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(11,'render',5,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(12,'render',6,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(13,'render',7,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(14,'render',8,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(15,'render',9,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(16,'render',10,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(17,'render',11,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(18,'render',12,1,'pending','queued','answer','','2026-11-28 18:09:31.122914','','',NULL,NULL,NULL),
(19,'share',1,1,'pending','active','answer','','2026-11-28 18:09:31.122914','share_created','',NULL,NULL,NULL),
(20,'share',2,1,'pending','active','answer','','2026-11-28 18:09:31.122914','share_created','',NULL,NULL,NULL),
(21,'share',3,1,'pending','active','answer','','2026-11-28 18:09:31.122914','share_created','',NULL,NULL,NULL),
(22,'share',4,1,'pending','active','answer','','2026-11-28 18:09:31.122914','share_created','',NULL,NULL,NULL),
(23,'signature',1,1,'pending','sent','answer','','2026-11-28 18:09:31.122914','signature_sent','',NULL,NULL,NULL),
(24,'signature',2,1,'pending','sent','answer','','2026-11-28 18:09:31.122914','signature_sent','',NULL,NULL,NULL),
(25,'share',5,1,'pending','active','answer','','2026-11-28 18:09:31.122914','share_created','',NULL,NULL,NULL),
(26,'render',4,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(27,'render',5,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(28,'render',6,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(29,'render',7,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(30,'render',8,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(31,'render',9,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(32,'render',10,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(33,'render',11,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(34,'render',12,1,'queued','succeeded','webhook','','2026-11-28 18:09:31.122914','render_succeeded','',NULL,NULL,NULL),
(35,'signature',3,1,'pending','sent','answer','','2026-11-28 18:09:31.122914','signature_sent','',NULL,NULL,NULL),
(36,'share',5,1,'active','revoked','answer','','2026-11-28 18:10:02.930823','share_revoked','',NULL,NULL,NULL),
(37,'share',6,1,'','active','read back','','2026-11-28 18:10:02.930823','share_created','',NULL,NULL,NULL),
(38,'share',7,1,'pending','unknown','answer','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','2026-11-28 18:10:03.655313','','',NULL,NULL,NULL),
(39,'share',8,1,'pending','unknown','answer','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','2026-11-28 18:10:03.655313','','',NULL,NULL,NULL),
(40,'share',9,1,'pending','unknown','answer','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/email)','2026-11-28 18:10:03.655313','','',NULL,NULL,NULL),
(41,'share',10,1,'pending','unknown','answer','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/email)','2026-11-28 18:10:03.655313','','',NULL,NULL,NULL),
(42,'share',9,1,'unknown','active','read back','','2026-11-28 18:10:03.655313','share_created','',NULL,NULL,NULL),
(43,'share',10,1,'unknown','active','read back','','2026-11-28 18:10:03.655313','share_created','',NULL,NULL,NULL);
/*!40000 ALTER TABLE `craftkit_change` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_engagementevent`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_engagementevent` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `project` varchar(64) NOT NULL,
  `event_id` uuid DEFAULT NULL,
  `share_remote_id` uuid DEFAULT NULL,
  `type` varchar(32) NOT NULL,
  `actor` varchar(32) NOT NULL,
  `ip_address` char(39) DEFAULT NULL,
  `user_agent` varchar(512) NOT NULL,
  `metadata` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`metadata`)),
  `occurred_at` datetime(6) NOT NULL,
  `render_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_event_known` (`event_id`,`project`),
  KEY `craftkit_event_render` (`render_id`,`occurred_at` DESC,`id` DESC),
  KEY `craftkit_event_counts` (`render_id`,`type`),
  KEY `craftkit_event_share` (`share_remote_id`,`type`,`occurred_at`),
  KEY `craftkit_event_type` (`type`,`id` DESC),
  KEY `craftkit_event_project` (`project`,`id` DESC),
  CONSTRAINT `craftkit_engagemente_render_id_4ed8c84d_fk_craftkit_` FOREIGN KEY (`render_id`) REFERENCES `craftkit_render` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=16 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_engagementevent` DISABLE KEYS */;
INSERT INTO `craftkit_engagementevent` VALUES
(1,'default','975ff387-786d-4765-a3f9-28fa46259440','46aad11e-b951-45fe-b3ac-c22c754f9608','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(2,'default','e34d8227-2476-46dd-b2e8-2cde41bb99e2','a2378cd3-512e-41b4-92b3-c38361d14a0a','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(3,'default','8441a802-a064-4330-9103-6805ddd28328','3d2b156c-b159-47ab-815e-58bd6a390243','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(4,'default','91ea1df3-9660-4440-a810-e86d2e650130','3d2b156c-b159-47ab-815e-58bd6a390243','email_sent','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(5,'default','fd670203-1c4b-48ec-9212-75b5f41db809','e90eb600-6037-4cc0-b9b8-9e4339dd3614','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(6,'default','1be0177a-3f6d-4d0e-a386-0cc7fa1a0c33','e90eb600-6037-4cc0-b9b8-9e4339dd3614','email_sent','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',1),
(7,'default','3a57a148-c24c-4223-a832-482ff58c17c0','bbe870ef-4374-495f-b7b6-f2a754e62ccc','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:09:31.123000',3),
(8,'default','7c5e0189-3546-4048-873b-15cbd80cdebb','983b9ae3-9533-4b6c-b143-2ea9b854103c','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:02.901000',1),
(9,'default','2da1cc30-6046-4738-ad18-6037101b8614','bbe870ef-4374-495f-b7b6-f2a754e62ccc','share_revoked','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:02.931000',3),
(10,'default','b6bca289-1261-4b0e-9676-12e7c07bacc7','a51ebe4c-ba9c-4922-a42a-ac69631ba0a7','email_sent','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1),
(11,'default','bae9d72f-eeda-4e78-a6f0-377e11637264','a51ebe4c-ba9c-4922-a42a-ac69631ba0a7','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1),
(12,'default','5f5fbb55-2684-46ab-89e1-6a4c2d664ea9','07c9d1fc-217f-45f5-aa9d-3879b3cb3987','email_sent','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1),
(13,'default','43792b13-acb3-42b3-86ee-0a73acc20bf7','07c9d1fc-217f-45f5-aa9d-3879b3cb3987','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1),
(14,'default','6890e212-6322-483c-a3f7-092b6fd105b3','7f602cdf-25bc-4bbf-8d99-389a139b2e75','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1),
(15,'default','9045aa4e-4707-4fc5-9806-fdd83e0aa4d2','d04d53cf-f040-476f-9fa5-645e2541b51c','share_created','partner','127.0.0.0','django-craftkit/0.1.0',NULL,'2026-11-28 18:10:03.655000',1);
/*!40000 ALTER TABLE `craftkit_engagementevent` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_job`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_job` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `due_at` datetime(6) DEFAULT NULL,
  `leased_until` datetime(6) DEFAULT NULL,
  `lease_token` uuid DEFAULT NULL,
  `attempts` int(10) unsigned NOT NULL DEFAULT 0 CHECK (`attempts` >= 0),
  `kind` varchar(32) NOT NULL,
  `object_id` bigint(20) NOT NULL,
  `project` varchar(64) NOT NULL,
  `version` int(10) unsigned NOT NULL CHECK (`version` >= 0),
  `failures` int(10) unsigned NOT NULL CHECK (`failures` >= 0),
  `error` longtext NOT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_job_object` (`kind`,`object_id`),
  KEY `craftkit_job_due` (`due_at`,`id`)
) ENGINE=InnoDB AUTO_INCREMENT=61 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_job` DISABLE KEYS */;
INSERT INTO `craftkit_job` VALUES
(22,'2026-11-28 18:24:31.122914',NULL,NULL,0,'poll signatures',1,'default',6,0,'','2026-11-28 18:09:31.122914'),
(27,'2026-11-28 18:10:04.296877',NULL,NULL,0,'render',13,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.399255'),
(28,'2026-11-28 18:10:04.985591',NULL,NULL,0,'render',14,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.430740'),
(29,'2026-11-28 18:10:04.396609',NULL,NULL,0,'render',15,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.455466'),
(30,'2026-11-28 18:10:05.112418',NULL,NULL,0,'render',16,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/letter/render)','2026-11-28 18:10:03.457749'),
(31,'2026-11-28 18:10:04.823917',NULL,NULL,0,'render',17,'eu',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.459727'),
(32,'2026-11-28 18:10:05.124443',NULL,NULL,0,'render',18,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.475615'),
(33,'2026-11-28 18:10:04.265797',NULL,NULL,0,'render',19,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/invoice/render)','2026-11-28 18:10:03.504740'),
(34,'2026-11-28 18:10:05.146770',NULL,NULL,0,'render',20,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/delivery-note/render)','2026-11-28 18:10:03.527393'),
(35,'2026-11-28 18:10:04.836548',NULL,NULL,0,'render',21,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/templates/contract/render)','2026-11-28 18:10:03.552507'),
(36,'2026-11-28 18:10:08.655313',NULL,NULL,0,'share',7,'default',1,0,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','2026-11-28 18:10:03.572201'),
(37,'2026-11-28 18:10:08.655313',NULL,NULL,0,'share',8,'default',1,0,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','2026-11-28 18:10:03.582619'),
(40,'2026-11-28 18:10:04.685590',NULL,NULL,0,'send signature',4,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/signatures)','2026-11-28 18:10:03.636227'),
(41,'2026-11-28 18:10:04.717234',NULL,NULL,0,'send signature',5,'default',1,1,'The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/signatures)','2026-11-28 18:10:03.650236'),
(42,'2026-11-28 18:25:03.655313',NULL,NULL,0,'send signature',6,'default',1,0,'','2026-11-28 18:10:03.655313'),
(45,'2026-11-28 18:10:08.655313',NULL,NULL,0,'engagement',1,'default',4,0,'','2026-11-28 18:10:03.655313'),
(46,'2026-11-28 18:10:05.146595',NULL,NULL,0,'render',22,'default',1,0,'','2026-11-28 18:10:05.146638'),
(47,'2026-11-28 18:10:05.189025',NULL,NULL,0,'render',23,'default',1,0,'','2026-11-28 18:10:05.189069'),
(48,'2026-11-28 18:10:05.226596',NULL,NULL,0,'render',24,'default',1,0,'','2026-11-28 18:10:05.226649'),
(49,'2026-11-28 18:10:05.258621',NULL,NULL,0,'render',25,'default',1,0,'','2026-11-28 18:10:05.258683'),
(50,'2026-11-28 18:10:05.284236',NULL,NULL,0,'render',26,'eu',1,0,'','2026-11-28 18:10:05.284297'),
(51,'2026-11-28 18:10:05.306977',NULL,NULL,0,'render',27,'default',1,0,'','2026-11-28 18:10:05.307031'),
(52,'2026-11-28 18:10:05.330165',NULL,NULL,0,'render',28,'default',1,0,'','2026-11-28 18:10:05.330211'),
(53,'2026-11-28 18:10:05.359135',NULL,NULL,0,'render',29,'default',1,0,'','2026-11-28 18:10:05.359184'),
(54,'2026-11-28 18:10:05.379285',NULL,NULL,0,'render',30,'default',1,0,'','2026-11-28 18:10:05.379328'),
(55,'2026-11-28 18:10:05.399185',NULL,NULL,0,'share',11,'default',1,0,'','2026-11-28 18:10:05.399226'),
(56,'2026-11-28 18:10:05.409573',NULL,NULL,0,'share',12,'default',1,0,'','2026-11-28 18:10:05.409614'),
(57,'2026-11-28 18:10:05.432044',NULL,NULL,0,'email',13,'default',1,0,'','2026-11-28 18:10:05.432083'),
(58,'2026-11-28 18:10:05.446253',NULL,NULL,0,'email',14,'default',1,0,'','2026-11-28 18:10:05.446291'),
(59,'2026-11-28 18:10:05.467988',NULL,NULL,0,'send signature',7,'default',1,0,'','2026-11-28 18:10:05.468026'),
(60,'2026-11-28 18:10:05.490571',NULL,NULL,0,'send signature',8,'default',1,0,'','2026-11-28 18:10:05.490614');
/*!40000 ALTER TABLE `craftkit_job` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_projectstate`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_projectstate` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `project` varchar(64) NOT NULL,
  `namespace` uuid NOT NULL,
  `paused_at` datetime(6) DEFAULT NULL,
  `pause_code` varchar(64) NOT NULL,
  `pause_reason` longtext NOT NULL,
  `probes` int(10) unsigned NOT NULL CHECK (`probes` >= 0),
  `probe_at` datetime(6) DEFAULT NULL,
  `swept_at` datetime(6) DEFAULT NULL,
  `webhook_heard_at` datetime(6) DEFAULT NULL,
  `capability` varchar(16) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_project_capability` (`project`,`capability`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_projectstate` DISABLE KEYS */;
INSERT INTO `craftkit_projectstate` VALUES
(1,'default','64659e26-a9b7-4877-afe2-b1aeae0c8a6b',NULL,'','',0,NULL,NULL,'2026-11-28 18:10:02.930823',''),
(2,'eu','e442aa69-ba7d-471e-9f86-a3d4c7b7e1ee',NULL,'','',0,NULL,NULL,'2026-11-28 18:09:31.122914','');
/*!40000 ALTER TABLE `craftkit_projectstate` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_render`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_render` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `project` varchar(64) NOT NULL,
  `remote_id` uuid DEFAULT NULL,
  `answer` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`answer`)),
  `error` longtext NOT NULL,
  `error_code` varchar(64) NOT NULL,
  `field_errors` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`field_errors`)),
  `requested_at` datetime(6) NOT NULL,
  `updated_at` datetime(6) NOT NULL,
  `template` varchar(120) NOT NULL,
  `version` int(10) unsigned DEFAULT NULL CHECK (`version` >= 0),
  `key` varchar(255) NOT NULL,
  `key_hash` varchar(64) NOT NULL,
  `attempt` int(10) unsigned NOT NULL CHECK (`attempt` >= 0),
  `attempted_at` datetime(6) NOT NULL,
  `sent_at` datetime(6) DEFAULT NULL,
  `status` varchar(16) NOT NULL,
  `builder` varchar(255) NOT NULL,
  `data` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`data`)),
  `source_id` varchar(255) NOT NULL,
  `source_db` varchar(64) NOT NULL,
  `accepted_at` datetime(6) DEFAULT NULL,
  `completed_at` datetime(6) DEFAULT NULL,
  `requested_by_id` int(11) DEFAULT NULL,
  `source_type_id` int(11) DEFAULT NULL,
  `counts` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`counts`)),
  `withdrawn_at` datetime(6) DEFAULT NULL,
  `withdrawn_by_id` int(11) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_render_key` (`project`,`key_hash`),
  KEY `craftkit_render_newest` (`requested_at` DESC,`id` DESC),
  KEY `craftkit_render_requested_by_id_a879aa18_fk_auth_user_id` (`requested_by_id`),
  KEY `craftkit_render_remote_id_04e58d4a` (`remote_id`),
  KEY `craftkit_render_source_type_id_b349b137` (`source_type_id`),
  KEY `craftkit_render_withdrawn_by_id_736911e1_fk_auth_user_id` (`withdrawn_by_id`),
  KEY `craftkit_render_about` (`source_id`,`source_type_id`,`requested_at` DESC),
  KEY `craftkit_render_status` (`status`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_render_lately` (`status`,`updated_at`),
  KEY `craftkit_render_template` (`template`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_render_project` (`project`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_render_begins` (`key`,`id`),
  CONSTRAINT `craftkit_render_requested_by_id_a879aa18_fk_auth_user_id` FOREIGN KEY (`requested_by_id`) REFERENCES `auth_user` (`id`),
  CONSTRAINT `craftkit_render_source_type_id_b349b137_fk_django_co` FOREIGN KEY (`source_type_id`) REFERENCES `django_content_type` (`id`),
  CONSTRAINT `craftkit_render_withdrawn_by_id_736911e1_fk_auth_user_id` FOREIGN KEY (`withdrawn_by_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=31 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_render` DISABLE KEYS */;
INSERT INTO `craftkit_render` VALUES
(1,'default','01a22359-15bf-72de-a5e7-c119d502894b','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:08:59.957766','2026-11-28 18:09:30.559480','invoice',NULL,'base','cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2',2,'2026-11-28 18:09:30.537040','2026-11-28 18:09:30.559480','succeeded','','{\"base\": \"base\"}','','','2026-11-28 18:09:30.559000','2026-11-28 18:09:30.559000',NULL,NULL,'{\"email_sent\": 4, \"share_created\": 9, \"viewed\": 0, \"downloaded\": 0, \"printed\": 0, \"email_opened\": 0, \"share_revoked\": 0}',NULL,NULL),
(2,'default','01a22358-9ee0-7830-b0f5-5dd3bf58dbe2','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:00.087436','2026-11-28 18:09:00.128357','invoice',NULL,'retried','d0ca11115fce8e9f5368e445ef0017b51bef8eb707cb4869e92ff406a1068536',1,'2026-11-28 18:09:00.087482','2026-11-28 18:09:00.128357','succeeded','','{\"base\": \"retried\"}','','','2026-11-28 18:09:00.128000','2026-11-28 18:09:00.128000',NULL,NULL,'{}',NULL,NULL),
(3,'default','01a22358-9ee0-75ad-8844-f8e985542752','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:00.105555','2026-11-28 18:09:00.128357','invoice',NULL,'withdrawn','fd60c459d03b66a8600f5c72ca868c83ad2708810fa3140b03abb35b3b91d931',1,'2026-11-28 18:09:00.105595','2026-11-28 18:09:00.128357','succeeded','','{\"base\": \"withdrawn\"}','','','2026-11-28 18:09:00.128000','2026-11-28 18:09:00.128000',NULL,NULL,'{\"share_created\": 1, \"viewed\": 0, \"downloaded\": 0, \"printed\": 0, \"email_opened\": 0, \"email_sent\": 0, \"share_revoked\": 1}','2026-11-28 18:10:02.843606',NULL),
(4,'default','01a22359-17f2-76da-bcc5-af443dca18a9','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:30.716466','2026-11-28 18:09:31.122914','invoice',NULL,'key-ready','a0a4b74959b29f1f4f31b30996a800f6a3862d34d5cd150d6db7c510dd4bd814',1,'2026-11-28 18:09:30.716513','2026-11-28 18:09:31.122914','succeeded','','{\"n\": 1}','','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,NULL,'{}',NULL,NULL),
(5,'default','01a22359-17f2-70c7-8f3d-77d0fdebcb1a','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:30.738925','2026-11-28 18:09:31.122914','invoice',NULL,'invoice:shop.order:1','1846d10c8a782b1d02ee87632b56b5da8cd15221db7f0872e2d8e79bb3b363ae',1,'2026-11-28 18:09:30.738976','2026-11-28 18:09:31.122914','succeeded','','{\"n\": 2}','1','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,1,'{}',NULL,NULL),
(6,'default','01a22359-17f2-7cdd-9480-390d80f588a9','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:30.759820','2026-11-28 18:09:31.122914','invoice',NULL,'about-key-ready','a99ce12bff8f76acf9793485734e86c819f58bb696cead1608061623f21ebc4c',1,'2026-11-28 18:09:30.759863','2026-11-28 18:09:31.122914','succeeded','','{\"n\": 3}','1','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,1,'{}',NULL,NULL),
(7,'default','01a22359-17f2-75df-9167-6dbb13f7dcc7','{\"durationMs\": null, \"templateId\": \"afead19f-759c-4d27-8eaf-b75089edd796\"}','','','{}','2026-11-28 18:09:30.775062','2026-11-28 18:09:31.122914','letter',NULL,'letter:de8d18d2f70275b91b215c3f450cd66611496f0b4bd68b3f2d2cccccedb212c5','02cc2d91cdf27a024f00261036fe6b44782274aea45b839439b00acd36eb1150',1,'2026-11-28 18:09:30.775103','2026-11-28 18:09:31.122914','succeeded','','{\"to\": \"\\u0410\\u0434\\u0430 ready\", \"sum\": \"1.50\", \"on\": \"2026-06-05T00:00:00Z\"}','','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,NULL,'{}',NULL,NULL),
(8,'eu','01a22359-17f2-7f04-9484-42127031dfc2','{\"durationMs\": null, \"templateId\": \"8ad538a7-0e0f-4d12-bdbb-5efa1cdbe003\"}','','','{}','2026-11-28 18:09:30.795040','2026-11-28 18:09:31.122914','invoice',NULL,'eu-ready','da7f0ec24986deebd74c3899a96b10b273b9afe92a6fc9709519719421713ee2',1,'2026-11-28 18:09:30.795088','2026-11-28 18:09:31.122914','succeeded','','{}','','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,NULL,'{}',NULL,NULL),
(9,'default','01a22359-17f2-7669-9e89-bf69c195f0a3','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:30.810906','2026-11-28 18:09:31.122914','invoice',1,'version-ready','7be8f3d858d101063e6cc577653a5003389b6a0f12504f25cc74635396c032d5',1,'2026-11-28 18:09:30.810948','2026-11-28 18:09:31.122914','succeeded','','{\"n\": 4}','','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,NULL,'{}',NULL,NULL),
(10,'default','01a22359-17f2-7ec7-a6d1-c5e6b2b22676','{\"durationMs\": null, \"templateId\": \"36cdf986-9f09-4d2c-b176-4df96f39faf3\"}','','','{}','2026-11-28 18:09:30.838722','2026-11-28 18:09:31.122914','invoice',NULL,'invoice-declared-ready','5443216417030d2ff26e8dafc37855f903cf591a2b5e0905845b748cac3f0b65',1,'2026-11-28 18:09:30.838770','2026-11-28 18:09:31.122914','succeeded','tests.shop.craftkit.invoice','{\"number\": \"declared-ready\", \"total\": \"12.50\", \"lines\": []}','2','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,1,'{}',NULL,NULL),
(11,'default','01a22359-17f2-77f0-b69c-fa5096a16498','{\"durationMs\": null, \"templateId\": \"f141d40b-2d28-41ba-8475-a761694015d1\"}','','','{}','2026-11-28 18:09:30.862930','2026-11-28 18:09:31.122914','delivery-note',NULL,'note-shipped-ready','61d6def36ff188b00ae4ab8b9732b79b5fd6456140b2c4e0e8ad886a34481e45',1,'2026-11-28 18:09:30.862964','2026-11-28 18:09:31.122914','succeeded','','{\"number\": \"shipped-ready\", \"total\": \"12.50\", \"parcels\": 2}','3','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,1,'{}',NULL,NULL),
(12,'default','01a22359-17f2-78b1-ba26-ab1c3e889e3c','{\"durationMs\": null, \"templateId\": \"b49752d2-f9f2-4266-9225-285c2ade80ed\"}','','','{}','2026-11-28 18:09:30.890691','2026-11-28 18:09:31.122914','contract',NULL,'contract-agreed-ready','9c28dfaf85c3ad46459bed32b49dd73b0c1ffdc3275f82d63da6e5b9dd936170',1,'2026-11-28 18:09:30.890726','2026-11-28 18:09:31.122914','succeeded','tests.upgrade.calls.contract_of_order','{\"number\": \"agreed-ready\"}','4','','2026-11-28 18:09:31.123000','2026-11-28 18:09:31.123000',NULL,1,'{}',NULL,NULL),
(13,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.395538','2026-11-28 18:09:03.398778','invoice',NULL,'key-lost','3aceb06bccaa9bc95e6cf37a7f1213a8bb5a2bdf0e0867fa68c33337297bb855',1,'2026-11-28 18:10:03.395585','2026-11-28 18:10:03.655313','pending','','{\"n\": 1}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(14,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.415264','2026-11-28 18:09:03.422617','invoice',NULL,'invoice:shop.order:5','6ddbde1fbb46de01ce38966ef9f49d64f2c0b7629a7f6281375fa866047c5bce',1,'2026-11-28 18:10:03.415298','2026-11-28 18:10:03.655313','pending','','{\"n\": 2}','5','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(15,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.451356','2026-11-28 18:09:03.454911','invoice',NULL,'about-key-lost','085491a5bc080b43c7c2b6b744aa480dbfb976e691b2c26a7ebd544971258be2',1,'2026-11-28 18:10:03.451400','2026-11-28 18:10:03.655313','pending','','{\"n\": 3}','5','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(16,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.456318','2026-11-28 18:09:03.457420','letter',NULL,'letter:22a38b56e13203f9200f40cc1cd6190e6b53c4b4f3247051c0e99e8a28a5cf14','d42e5c6e00b06a4733ef30b842f77525e104fd798124a17cca91ef1f663f060e',1,'2026-11-28 18:10:03.456344','2026-11-28 18:10:03.655313','pending','','{\"to\": \"\\u0410\\u0434\\u0430 lost\", \"sum\": \"1.50\", \"on\": \"2026-06-05T00:00:00Z\"}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(17,'eu',NULL,'{}','','','{}','2026-11-28 18:10:03.458286','2026-11-28 18:09:03.459426','invoice',NULL,'eu-lost','90567daf75ca815dc483d5c4e6377438a3376658a20f6fdf2f12ac59748f52c2',1,'2026-11-28 18:10:03.458308','2026-11-28 18:10:03.655313','pending','','{}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(18,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.470231','2026-11-28 18:09:03.475081','invoice',1,'version-lost','2537ad9a0e3c3143199bdc78976dcb533521c00a93910811c3c3d7405ce9a5c0',1,'2026-11-28 18:10:03.470264','2026-11-28 18:10:03.655313','pending','','{\"n\": 4}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(19,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.502776','2026-11-28 18:09:03.504250','invoice',NULL,'invoice-declared-lost','bbe6f80f41fc02a160a3a72722a319d94ac24411e215fc33ad454fc45dedaa63',1,'2026-11-28 18:10:03.502816','2026-11-28 18:10:03.655313','pending','tests.shop.craftkit.invoice','{\"number\": \"declared-lost\", \"total\": \"12.50\", \"lines\": []}','6','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(20,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.522925','2026-11-28 18:09:03.526959','delivery-note',NULL,'note-shipped-lost','db3bfa67e5cd1ad633dfaf7526f001fe7f5bb62f8075e5c1e46debdee2e2ab58',1,'2026-11-28 18:10:03.522960','2026-11-28 18:10:03.655313','pending','','{\"number\": \"shipped-lost\", \"total\": \"12.50\", \"parcels\": 2}','7','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(21,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.550755','2026-11-28 18:09:03.552100','contract',NULL,'contract-agreed-lost','75d03d03a06714f99b4b71a843b760de008a62837cdfd4614cd14f1d759ebfc6',1,'2026-11-28 18:10:03.550792','2026-11-28 18:10:03.655313','pending','tests.upgrade.calls.contract_of_order','{\"number\": \"agreed-lost\"}','8','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(22,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.136989','2026-11-28 18:09:05.144563','invoice',NULL,'key-pending','db8c25df1491b19b9c304244fe08004b291d1ab7926d940a01af853e7dba3ee4',1,'2026-11-28 18:10:05.137035',NULL,'pending','','{\"n\": 1}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(23,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.187103','2026-11-28 18:09:05.188598','invoice',NULL,'invoice:shop.order:9','122a1197373474bdc0f224d31856d1829b1da47a07bf0f70e571a605e703eb6f',1,'2026-11-28 18:10:05.187151',NULL,'pending','','{\"n\": 2}','9','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(24,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.215152','2026-11-28 18:09:05.220358','invoice',NULL,'about-key-pending','7b8e11bab41d737391277a1ee4ab0855bc55e69496e3ee6fb11625a2062afdf7',1,'2026-11-28 18:10:05.215195',NULL,'pending','','{\"n\": 3}','9','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(25,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.247577','2026-11-28 18:09:05.254818','letter',NULL,'letter:a55b10a6d3176aa151c2c09842e3f18ab706bf5482ea5620a5b59a0a0e454737','22547fb99c9ac2ccac4845854c694a99f0b14aa3a3e4d8930805952303fedb74',1,'2026-11-28 18:10:05.247623',NULL,'pending','','{\"to\": \"\\u0410\\u0434\\u0430 pending\", \"sum\": \"1.50\", \"on\": \"2026-06-05T00:00:00Z\"}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(26,'eu',NULL,'{}','','','{}','2026-11-28 18:10:05.278806','2026-11-28 18:09:05.280952','invoice',NULL,'eu-pending','4b6f071570ad1dd9302e482462506555d5cbb4554a38adf57d99a877704da873',1,'2026-11-28 18:10:05.278852',NULL,'pending','','{}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(27,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.291387','2026-11-28 18:09:05.302768','invoice',1,'version-pending','369f4283d092495ce4345e22f668ef031baaf9a9aa38f4a2bb38dd7b162f0b8e',1,'2026-11-28 18:10:05.291418',NULL,'pending','','{\"n\": 4}','','',NULL,NULL,NULL,NULL,'{}',NULL,NULL),
(28,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.328302','2026-11-28 18:09:05.329741','invoice',NULL,'invoice-declared-pending','74b1d40c1997c14ddf77ad4603666c4bcef7d3b6677e7924fcca4f472c8d4f18',1,'2026-11-28 18:10:05.328341',NULL,'pending','tests.shop.craftkit.invoice',NULL,'10','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(29,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.356282','2026-11-28 18:09:05.358621','delivery-note',NULL,'note-shipped-pending','6c04d2c3b4db3779e7b36c0e6502ca18b66dd18acc3c52c7211091c1f7d534a3',1,'2026-11-28 18:10:05.356317',NULL,'pending','','{\"number\": \"shipped-pending\", \"total\": \"12.50\", \"parcels\": 2}','11','',NULL,NULL,NULL,1,'{}',NULL,NULL),
(30,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.374792','2026-11-28 18:09:05.378907','contract',NULL,'contract-agreed-pending','4dbf38a4b20517fba612338c1fc3ff1bbfc59859178838eb88499c87f31dcf34',1,'2026-11-28 18:10:05.374821',NULL,'pending','tests.upgrade.calls.contract_of_order',NULL,'12','',NULL,NULL,NULL,1,'{}',NULL,NULL);
/*!40000 ALTER TABLE `craftkit_render` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_share`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_share` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `project` varchar(64) NOT NULL,
  `remote_id` uuid DEFAULT NULL,
  `answer` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`answer`)),
  `error` longtext NOT NULL,
  `error_code` varchar(64) NOT NULL,
  `field_errors` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`field_errors`)),
  `requested_at` datetime(6) NOT NULL,
  `updated_at` datetime(6) NOT NULL,
  `key` varchar(255) NOT NULL,
  `key_hash` varchar(64) NOT NULL,
  `status` varchar(16) NOT NULL,
  `channel` varchar(8) NOT NULL,
  `recipient_email` varchar(254) NOT NULL,
  `message` longtext NOT NULL,
  `expires_at` datetime(6) DEFAULT NULL,
  `url` longtext NOT NULL,
  `click_count` int(10) unsigned NOT NULL CHECK (`click_count` >= 0),
  `sending_since` datetime(6) DEFAULT NULL,
  `revoke_requested_at` datetime(6) DEFAULT NULL,
  `revoked_at` datetime(6) DEFAULT NULL,
  `render_id` bigint(20) NOT NULL,
  `requested_by_id` int(11) DEFAULT NULL,
  `revoke_requested_by_id` int(11) DEFAULT NULL,
  `by_mail` tinyint(1) NOT NULL,
  `mailed_at` datetime(6) DEFAULT NULL,
  `recipient_name` varchar(200) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_share_key` (`render_id`,`key_hash`),
  KEY `craftkit_share_newest` (`requested_at` DESC,`id` DESC),
  KEY `craftkit_share_requested_by_id_db746a8e_fk_auth_user_id` (`requested_by_id`),
  KEY `craftkit_share_revoke_requested_by_id_aabcef40_fk_auth_user_id` (`revoke_requested_by_id`),
  KEY `craftkit_share_remote_id_25d1d007` (`remote_id`),
  KEY `craftkit_share_status` (`status`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_share_expiry` (`status`,`expires_at`),
  KEY `craftkit_share_channel` (`channel`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_share_project` (`project`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_share_recipient` (`recipient_email`,`id`),
  CONSTRAINT `craftkit_share_render_id_8f30d6f7_fk_craftkit_render_id` FOREIGN KEY (`render_id`) REFERENCES `craftkit_render` (`id`),
  CONSTRAINT `craftkit_share_requested_by_id_db746a8e_fk_auth_user_id` FOREIGN KEY (`requested_by_id`) REFERENCES `auth_user` (`id`),
  CONSTRAINT `craftkit_share_revoke_requested_by_id_aabcef40_fk_auth_user_id` FOREIGN KEY (`revoke_requested_by_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=15 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_share` DISABLE KEYS */;
INSERT INTO `craftkit_share` VALUES
(1,'default','46aad11e-b951-45fe-b3ac-c22c754f9608','{\"revokedReason\": null}','','','{}','2026-11-28 18:09:30.908741','2026-11-28 18:09:31.122914','link-ready','a2e8d3f815e5ed818af2ae37850a4545db1fc930ce8edfe783f517486dedc25b','active','link','','ready',NULL,'http://craftkit.sandbox/share/cks_jN2lkotyXsVM-JLRm_3rvybEKycndn3z',0,'2026-11-28 18:09:31.122914',NULL,NULL,1,NULL,NULL,0,NULL,''),
(2,'default','a2378cd3-512e-41b4-92b3-c38361d14a0a','{\"revokedReason\": null}','','','{}','2026-11-28 18:09:30.923977','2026-11-28 18:09:31.122914','ends-ready','73f2c497317535b4c79adf096999d4e84c51a7e1b8bf7f5fee92392fa72844b2','active','link','','','2040-01-01 12:00:00.000000','http://craftkit.sandbox/share/cks_uBHKEMxLvImHVIjMDDfp8QpJmhHWxWC3',0,'2026-11-28 18:09:31.122914',NULL,NULL,1,NULL,NULL,0,NULL,''),
(3,'default','3d2b156c-b159-47ab-815e-58bd6a390243','{\"emailMessageId\": \"re_TtI9rwOUnHfAFu1de6NPDldhvZ2pGnGj\", \"revokedReason\": null}','','','{}','2026-11-28 18:09:31.016777','2026-11-28 18:09:03.194910','mail:0caca7c2b5915761d5697d40b9ab87eac1c54dbe7b85fe3f1fff941b8f045425','66b494c444dc41fb28dbaa555f54b39c31b6fb87ea534287c842f57ba5ecec27','active','email','ready@example.com','Your invoice.',NULL,'http://craftkit.sandbox/share/cks_SJqaZSv7a2jnExcEvQpY0J5ouCWeKyfY',0,'2026-11-28 18:09:31.122914',NULL,NULL,1,NULL,NULL,1,'2026-11-28 18:09:31.123000','Ada'),
(4,'default','e90eb600-6037-4cc0-b9b8-9e4339dd3614','{\"emailMessageId\": \"re_HTM9jFfycJWkhNZTkgoUTKO88_4X3b2E\", \"revokedReason\": null}','','','{}','2026-11-28 18:09:31.044367','2026-11-28 18:09:03.186998','mail-ready','a5be2b5d199b11b4bb5d47219a62e8677ba37233a1ee562dbe8323f0bece5956','active','email','ready@example.com','Once more.',NULL,'http://craftkit.sandbox/share/cks_v2cHKYZci7HjYQfARHEtdlzLjvsow4RW',0,'2026-11-28 18:09:31.122914',NULL,NULL,1,NULL,NULL,1,'2026-11-28 18:09:31.123000',''),
(5,'default','bbe870ef-4374-495f-b7b6-f2a754e62ccc','{\"revokedReason\": null}','','','{}','2026-11-28 18:09:31.111139','2026-11-28 18:10:02.930823','w','50e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc326','revoked','link','','',NULL,'http://craftkit.sandbox/share/cks_Wx8Lcn8qgGV_ERALOcbBoDxBc0sTT1co',0,'2026-11-28 18:09:31.122914','2026-11-28 18:10:02.869336','2026-11-28 18:10:02.931000',3,NULL,NULL,0,NULL,''),
(6,'default','983b9ae3-9533-4b6c-b143-2ea9b854103c','{\"revokedReason\": null}','','','{}','2026-11-28 18:10:02.901000','2026-11-28 18:10:02.930823','found 983b9ae3-9533-4b6c-b143-2ea9b854103c','8ed9492c3be45b64b2d113d358884158afac6e80e5d7108732a41c33917ec183','active','link','','by hand',NULL,'http://craftkit.sandbox/share/cks_cWyqU69VE8Wj_SnHXrjf2c6N5LP8oYxx',0,NULL,NULL,NULL,1,NULL,NULL,0,NULL,''),
(7,'default',NULL,'{}','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','','{}','2026-11-28 18:10:03.568314','2026-11-28 18:09:04.346806','link-lost','8aa0345ede8f94325a17a40d01840d5bce00638642d62d70ff30dce6131d3c85','unknown','link','','lost',NULL,'',0,'2026-11-28 18:10:03.655313',NULL,NULL,1,NULL,NULL,0,NULL,''),
(8,'default',NULL,'{}','The connection to Craftkit was cut (RemoteDisconnected). (POST /v1/renders/01a22359-15bf-72de-a5e7-c119d502894b/shares)','','{}','2026-11-28 18:10:03.573873','2026-11-28 18:09:04.407348','ends-lost','db5457d4b8cdbc7ecfb67bca40fcc05853d6931389981deb121a58f274887044','unknown','link','','','2040-01-01 12:00:00.000000','',0,'2026-11-28 18:10:03.655313',NULL,NULL,1,NULL,NULL,0,NULL,''),
(9,'default','07c9d1fc-217f-45f5-aa9d-3879b3cb3987','{\"revokedReason\": null}','','','{}','2026-11-28 18:10:03.595469','2026-11-28 18:10:03.655313','mail:045188471aff8d13e1fcb3cbb69577e8c6ef357213c98189ac48e82c9b62f89e','7c4bc0a16e0056b52af28a5dbb8fb559fbaf9e7ebd3df1dca10a168a8abe6a66','active','email','lost@example.com','Your invoice.',NULL,'http://craftkit.sandbox/share/cks_Vkb-Jz27U9hEW0zRejhihqmgk7iHg6jQ',0,'2026-11-28 18:10:03.655313',NULL,NULL,1,NULL,NULL,1,'2026-11-28 18:10:03.655000','Ada'),
(10,'default','a51ebe4c-ba9c-4922-a42a-ac69631ba0a7','{\"revokedReason\": null}','','','{}','2026-11-28 18:10:03.612078','2026-11-28 18:10:03.655313','mail-lost','0da510f6d199a980fd76774266f346cd3daa7c8484ee1008b36b788cfe3a7f5f','active','email','lost@example.com','Once more.',NULL,'http://craftkit.sandbox/share/cks_agi8HRYWAAXKq0CdKCZawK86QKxGY7AS',0,'2026-11-28 18:10:03.655313',NULL,NULL,1,NULL,NULL,1,'2026-11-28 18:10:03.655000',''),
(11,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.385761','2026-11-28 18:09:05.398785','link-pending','8d2349f015ef9ac8ed16a370abbaca20ad6a66d64b1347cc71d9cf5f1b56124a','pending','link','','pending',NULL,'',0,NULL,NULL,NULL,1,NULL,NULL,0,NULL,''),
(12,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.403713','2026-11-28 18:09:05.407810','ends-pending','a58de56f7779789c7482401f39fe51d07ac97dad52935af8466c0470bdfc88cb','pending','link','','','2040-01-01 12:00:00.000000','',0,NULL,NULL,NULL,1,NULL,NULL,0,NULL,''),
(13,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.424653','2026-11-28 18:09:05.431708','mail:e6f1394a2b85c925e563e08e1a7b7fc3c655700c9b208adff227e8506d25b1cf','35aae42a5a7fb92c6f3aba3feae447e553ca585d049e1782f565bcd10a4a8d20','pending','email','pending@example.com','Your invoice.',NULL,'',0,NULL,NULL,NULL,1,NULL,NULL,1,NULL,'Ada'),
(14,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.435690','2026-11-28 18:09:05.445948','mail-pending','c860a499a282dc9e478a7566b71cff231d3782c61cf391dacdcd18e9696757f1','pending','email','pending@example.com','Once more.',NULL,'',0,NULL,NULL,NULL,1,NULL,NULL,1,NULL,'');
/*!40000 ALTER TABLE `craftkit_share` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_signaturerecipient`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_signaturerecipient` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `position` smallint(5) unsigned NOT NULL CHECK (`position` >= 0),
  `remote_id` varchar(128) NOT NULL,
  `first_name` varchar(100) NOT NULL,
  `last_name` varchar(100) NOT NULL,
  `email` varchar(255) NOT NULL,
  `designation` varchar(16) NOT NULL,
  `order` smallint(5) unsigned DEFAULT NULL CHECK (`order` >= 0),
  `signed_at` datetime(6) DEFAULT NULL,
  `declined_at` datetime(6) DEFAULT NULL,
  `request_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_recipient_position` (`request_id`,`position`),
  KEY `craftkit_recipient_email` (`email`,`id`),
  CONSTRAINT `craftkit_signaturere_request_id_9af531c0_fk_craftkit_` FOREIGN KEY (`request_id`) REFERENCES `craftkit_signaturerequest` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_signaturerecipient` DISABLE KEYS */;
INSERT INTO `craftkit_signaturerecipient` VALUES
(1,0,'rcp_bebb-57e3e56943c3','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,1),
(2,0,'rcp_ba2f-7acf53f2fae8','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,2),
(3,0,'rcp_a44c-0abe2bb6e46f','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,3),
(4,0,'','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,4),
(5,0,'','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,5),
(6,0,'','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,6),
(7,0,'','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,7),
(8,0,'','Ελένη','Papadopoulou','eleni@example.com','Signer',NULL,NULL,NULL,8);
/*!40000 ALTER TABLE `craftkit_signaturerecipient` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_signaturerequest`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_signaturerequest` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `project` varchar(64) NOT NULL,
  `remote_id` uuid DEFAULT NULL,
  `answer` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`answer`)),
  `error` longtext NOT NULL,
  `error_code` varchar(64) NOT NULL,
  `field_errors` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`field_errors`)),
  `requested_at` datetime(6) NOT NULL,
  `updated_at` datetime(6) NOT NULL,
  `key` varchar(255) NOT NULL,
  `key_hash` varchar(64) NOT NULL,
  `asked_hash` varchar(64) NOT NULL,
  `name` varchar(255) NOT NULL,
  `status` varchar(16) NOT NULL,
  `fields` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`fields`)),
  `anchor_tags` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`anchor_tags`)),
  `expiration_hours` int(10) unsigned DEFAULT NULL CHECK (`expiration_hours` >= 0),
  `attempt` int(10) unsigned NOT NULL CHECK (`attempt` >= 0),
  `sent_at` datetime(6) DEFAULT NULL,
  `sending_since` datetime(6) DEFAULT NULL,
  `accepted_at` datetime(6) DEFAULT NULL,
  `completed_at` datetime(6) DEFAULT NULL,
  `poll_at` datetime(6) DEFAULT NULL,
  `unknown_since` datetime(6) DEFAULT NULL,
  `cancel_requested_at` datetime(6) DEFAULT NULL,
  `cancel_reason` varchar(500) NOT NULL,
  `cancel_requested_by_id` int(11) DEFAULT NULL,
  `render_id` bigint(20) NOT NULL,
  `requested_by_id` int(11) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_signature_key` (`render_id`,`key_hash`),
  KEY `craftkit_sign_newest` (`requested_at` DESC,`id` DESC),
  KEY `craftkit_sign_status` (`status`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_sign_lately` (`status`,`updated_at`),
  KEY `craftkit_sign_project` (`project`,`requested_at` DESC,`id` DESC),
  KEY `craftkit_sign_accepted` (`project`,`accepted_at` DESC,`id` DESC),
  KEY `craftkit_sign_poll` (`project`,`poll_at`),
  KEY `craftkit_signaturere_cancel_requested_by__09e8cf6c_fk_auth_user` (`cancel_requested_by_id`),
  KEY `craftkit_signaturere_requested_by_id_550b0e3c_fk_auth_user` (`requested_by_id`),
  KEY `craftkit_signaturerequest_remote_id_50c207f8` (`remote_id`),
  CONSTRAINT `craftkit_signaturere_cancel_requested_by__09e8cf6c_fk_auth_user` FOREIGN KEY (`cancel_requested_by_id`) REFERENCES `auth_user` (`id`),
  CONSTRAINT `craftkit_signaturere_render_id_f220c76f_fk_craftkit_` FOREIGN KEY (`render_id`) REFERENCES `craftkit_render` (`id`),
  CONSTRAINT `craftkit_signaturere_requested_by_id_550b0e3c_fk_auth_user` FOREIGN KEY (`requested_by_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_signaturerequest` DISABLE KEYS */;
INSERT INTO `craftkit_signaturerequest` VALUES
(1,'default','01a22359-17f2-724b-a278-7bb665999e59','{}','','','{}','2026-11-28 18:09:31.066951','2026-11-28 18:09:31.122914','sign:75db55110a8a4965a1a08c477a5e9b491b822e915dad9092e122919411247e8b','3b8de2fd0c9638771f653b1220261cf3dab57a9fd335886d31df207670200d5a','f7ae87cfc49ebbf7e279528c45e06e34ab9b628cf13569e57f474628fbd4f839','Charter ready','sent','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',NULL,1,'2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.123000',NULL,'2026-11-28 18:24:31.122914',NULL,NULL,'',NULL,1,NULL),
(2,'default','01a22359-17f2-72a6-b5d0-e8b6629529db','{}','','','{}','2026-11-28 18:09:31.087407','2026-11-28 18:09:31.122914','sign-ready','10306c885203d71a800131181786413093a67db680b6d9eddd2b64351c774901','e89dd92621b778d70b3ff5d66e0eccd419aa295e46df85c15f8529da89e375f1','Charter','sent','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',720,1,'2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.123000',NULL,'2026-11-28 18:24:31.122914',NULL,NULL,'',NULL,1,NULL),
(3,'default','01a22359-17f2-739c-b884-78d600d6e226','{}','','','{}','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914','declared 1','ab9326458b33192963ae248cd70ab33882dccf8a70943c727aab796451afa4db','84482efe16626176775e85c7bf1f4d78e0a1f0f6145b476f81195ba7274fb759','Contract agreed-ready','sent','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',NULL,1,'2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.123000',NULL,'2026-11-28 18:24:31.122914',NULL,NULL,'',NULL,12,NULL),
(4,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.625185','2026-11-28 18:09:03.634802','sign:84e2f0d3627d75853e102fafed26837dda4c5d4fd994e8674569ba2b4e763d4d','bfa82b13cd48eb0390557244c2293c15cdbff395314f6d7d9f702c44a51f579e','833de9e9f109d54532fa9932b3a2f4d1a40469c4447ee4102ec2558a14e1b1cf','Charter lost','pending','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',NULL,1,'2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313',NULL,NULL,NULL,NULL,NULL,'',NULL,1,NULL),
(5,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.643064','2026-11-28 18:09:03.648355','sign-lost','009b5c77555550afc49bcf4ca98a15a391925f3613049f1f96d24e8c9bcfc883','e89dd92621b778d70b3ff5d66e0eccd419aa295e46df85c15f8529da89e375f1','Charter','pending','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',720,1,'2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313',NULL,NULL,NULL,NULL,NULL,'',NULL,1,NULL),
(6,'default',NULL,'{}','','','{}','2026-11-28 18:10:03.655313','2026-11-28 18:09:04.270465','declared 1','ab9326458b33192963ae248cd70ab33882dccf8a70943c727aab796451afa4db','6b0087d4d001da444f386787b42344301df9af8c1aaea460d67d5c82987cca5e','Contract agreed-lost','pending','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,21,NULL),
(7,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.460126','2026-11-28 18:09:05.466773','sign:9ed7ffd47353ddb87baa086112aa07275a7881c296635c4c0bd04c7bd469eec3','a83f1935861dcfb0ea566b937826f36b25946528522f41caf5f3adedebed1d37','a725be0f470189fbd5463f83ba22d1c98edf309478b84b379271067342436acb','Charter pending','pending','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,1,NULL),
(8,'default',NULL,'{}','','','{}','2026-11-28 18:10:05.483731','2026-11-28 18:09:05.486427','sign-pending','abacb270da1c7098dc519c8320f9894d1d35720afce17bedb6254bb26d0b2a3f','e89dd92621b778d70b3ff5d66e0eccd419aa295e46df85c15f8529da89e375f1','Charter','pending','[]','[{\"anchorString\": \"{{sign_here}}\", \"type\": \"signature\", \"recipientIndex\": 0}]',720,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,1,NULL);
/*!40000 ALTER TABLE `craftkit_signaturerequest` ENABLE KEYS */;
DROP TABLE IF EXISTS `craftkit_webhookdelivery`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `craftkit_webhookdelivery` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `due_at` datetime(6) DEFAULT NULL,
  `leased_until` datetime(6) DEFAULT NULL,
  `lease_token` uuid DEFAULT NULL,
  `attempts` int(10) unsigned NOT NULL DEFAULT 0 CHECK (`attempts` >= 0),
  `project` varchar(64) NOT NULL,
  `delivery_id` uuid NOT NULL,
  `event` varchar(64) NOT NULL DEFAULT '',
  `about` uuid DEFAULT NULL,
  `status` varchar(16) NOT NULL DEFAULT 'received',
  `body` longblob NOT NULL,
  `body_hash` varchar(64) NOT NULL,
  `error` longtext NOT NULL DEFAULT '',
  `received_at` datetime(6) NOT NULL,
  `processed_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `craftkit_delivery_known` (`delivery_id`,`project`),
  KEY `craftkit_webhookdelivery_about_ed1cfde4` (`about`),
  KEY `craftkit_delivery_due` (`due_at`,`id`),
  KEY `craftkit_delivery_status` (`status`,`id` DESC),
  KEY `craftkit_delivery_event` (`event`,`id` DESC),
  KEY `craftkit_delivery_project` (`project`,`id` DESC)
) ENGINE=InnoDB AUTO_INCREMENT=44 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `craftkit_webhookdelivery` DISABLE KEYS */;
INSERT INTO `craftkit_webhookdelivery` VALUES
(1,NULL,NULL,NULL,1,'default','e57c53c3-d62e-400f-ab0a-fcc37cd0183a','render.failed','01a22358-9ee0-7dbf-8d96-e73cdc4d4dcd','processed',0x7B226576656E74223A2272656E6465722E6661696C6564222C2272656E6465724964223A2230316132323335382D396565302D376462662D386439362D653733636463346434646364222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A226661696C6564222C226572726F724D657373616765223A22496E6A6563746564206279207468652073616E64626F782E222C22637265617465644174223A22323032362D31312D32385431383A30393A30302E3132385A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A30302E3132385A227D,'eab3461d7e1e7ba19d9e6a5dc00f7598f7646e01cfd5083438d4b1c53fb72293','','2026-11-28 18:09:00.128357','2026-11-28 18:09:00.128357'),
(2,NULL,NULL,NULL,1,'default','c9c5f0c0-4617-4857-b0ee-fa70363c7c66','render.succeeded','01a22358-9ee0-7830-b0f5-5dd3bf58dbe2','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335382D396565302D373833302D623066352D356464336266353864626532222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A30302E3132385A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A30302E3132385A227D,'ca7a990e17db59c3d53b2d99f6aa38e77a6eae8b167c084ba8ac08e8e2605369','','2026-11-28 18:09:00.128357','2026-11-28 18:09:00.128357'),
(3,NULL,NULL,NULL,1,'default','49d2f132-7fde-465b-8644-6b7361d91a03','render.succeeded','01a22358-9ee0-75ad-8844-f8e985542752','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335382D396565302D373561642D383834342D663865393835353432373532222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A30302E3132385A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A30302E3132385A227D,'7bfd877b14bc5c65f1f7e43037321055a66d4519fcc2ec31f0732fbae6674229','','2026-11-28 18:09:00.128357','2026-11-28 18:09:00.128357'),
(4,NULL,NULL,NULL,1,'default','02556680-70be-4c91-950f-aa5db2120cae','render.succeeded','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33302E3535395A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33302E3535395A227D,'1711c9ea7ccf93c96914de30f310a718d0c165ef6509522d3e9d74712a1ce049','','2026-11-28 18:09:30.559480','2026-11-28 18:09:30.559480'),
(5,NULL,NULL,NULL,1,'default','0d165eb2-1c7e-4906-91e1-d185e0569205','render.succeeded','01a22359-17f2-76da-bcc5-af443dca18a9','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373664612D626363352D616634343364636131386139222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'3a6eaef1fe3d9edd5e4d5824301e1f82828825f8082cc3976eaccee0cf04a641','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(6,NULL,NULL,NULL,1,'default','8bc5d515-ae0c-4aae-ba96-e5836560b420','render.succeeded','01a22359-17f2-70c7-8f3d-77d0fdebcb1a','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373063372D386633642D373764306664656263623161222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'78c27a89ff191c22040fb203ad2643b600604dbc149c3896b2adc8a0e621ce64','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(7,NULL,NULL,NULL,1,'default','0b775235-94ee-4bd6-a133-3fbd88338480','render.succeeded','01a22359-17f2-7cdd-9480-390d80f588a9','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D376364642D393438302D333930643830663538386139222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'19a97bd3b97d6728964f208ba95203a23312b44010464ebf8493b6ca92e24063','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(8,NULL,NULL,NULL,1,'default','7e73c2ea-e443-4db2-83df-5e148754ca91','render.succeeded','01a22359-17f2-75df-9167-6dbb13f7dcc7','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373564662D393136372D366462623133663764636337222C2274656D706C6174654964223A2261666561643139662D373539632D346432372D386561662D623735303839656464373936222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'d1f5b9e2acb70c5c1a6e202b66f7ff89cd041da561a7f3a32e4711b6ed26c001','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(9,NULL,NULL,NULL,1,'eu','ab1b6245-ea9e-41e8-a802-abf62f263fa8','render.succeeded','01a22359-17f2-7f04-9484-42127031dfc2','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D376630342D393438342D343231323730333164666332222C2274656D706C6174654964223A2238616435333861372D306530662D346431322D626462622D356566613163646265303033222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'a93f9d35818b1401f130d0ae6d87feeb7815c652f321ae3530f7a296f79569a5','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(10,NULL,NULL,NULL,1,'default','26d64cc3-3c24-47f6-b6dd-407eaad2eacc','render.succeeded','01a22359-17f2-7669-9e89-bf69c195f0a3','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373636392D396538392D626636396331393566306133222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'74c2f18cab543523627d25add10c2b9bb54dc96ea3b157ee74cf18791b141770','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(11,NULL,NULL,NULL,1,'default','0c6480b9-fbf1-444c-9154-85970d6c6200','render.succeeded','01a22359-17f2-7ec7-a6d1-c5e6b2b22676','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D376563372D613664312D633565366232623232363736222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'8ab05fac7cb0087c70388c8b5c7b880c9058c99a68d10c8789f0041fb3cd9ef8','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(12,NULL,NULL,NULL,1,'default','4928d7f7-3edf-4391-9f10-80c998f27d02','render.succeeded','01a22359-17f2-77f0-b69c-fa5096a16498','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373766302D623639632D666135303936613136343938222C2274656D706C6174654964223A2266313431643430622D326432382D343162612D383437352D613736313639343031356431222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'0cf8e64fa6500442474ce0f9a2f9644cf44408f2837512752e5e42e8be07516f','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(13,NULL,NULL,NULL,1,'default','03f0e901-862b-438d-8a2f-2187b37a4346','render.succeeded','01a22359-17f2-78b1-ba26-ab1c3e889e3c','processed',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D313766322D373862312D626132362D616231633365383839653363222C2274656D706C6174654964223A2262343937353264322D663966322D343236362D393232352D323835633261646538306564222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A222C22636F6D706C657465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'362151482c1f00b95c1e064011dbe608e7835ed4f6789401d94d3b00b3a175ff','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(14,NULL,NULL,NULL,1,'default','123466e1-a288-44c4-a113-6ad895dc9810','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2234366161643131652D623935312D343566652D623361632D633232633735346639363038222C226576656E744964223A2239373566663338372D373836642D343736352D613366392D323866613436323539343430222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'20b14021b8c22a36fc82c72b5805054f69bc673e966db1e65426d36a845663ab','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(15,NULL,NULL,NULL,1,'default','5d44de98-c6dc-4742-b3d1-02496c9eac45','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2261323337386364332D353132652D343162342D393262332D633338333631643134613061222C226576656E744964223A2265333464383232372D323437362D343664642D623265382D326364653431626239396532222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'886ab1043456832ff7dd2d5fa30e10fb973050f909fdce563044a7d0422b49b3','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(16,NULL,NULL,NULL,1,'default','4d6dc547-745b-42f6-9008-23d5c7b73389','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2233643262313536632D623135392D343761622D383135652D353862643661333930323433222C226576656E744964223A2238343431613830322D613036342D343333302D393130332D363830356464643238333238222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'b359e60d2242b340bac1bd0c3f3955c8031a6ef63ea5fe0f16f75d1f846c45f4','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(17,NULL,NULL,NULL,1,'default','3e6ecbb3-597c-4dbf-bfc4-792301a95b5e','document.email_sent','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E656D61696C5F73656E74222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2233643262313536632D623135392D343761622D383135652D353862643661333930323433222C226576656E744964223A2239316561316466332D393636302D343434302D613831302D653836643265363530313330222C226576656E7454797065223A22656D61696C5F73656E74222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'ee8702614547d06c65d42fe7211871e3f38b32fd80ec7c6612f0e1341da051a8','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(18,NULL,NULL,NULL,1,'default','f8b40a94-b2aa-4833-a59b-ed299a8c17f5','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2265393065623630302D363033372D346363302D623962382D396534333339646433363134222C226576656E744964223A2266643637303230332D316334622D343865632D393231322D373562356634316462383039222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'f4406c2e7893e7618f16765bd3f293b733d7fdd3044814647e1ce6287fa37c1e','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(19,NULL,NULL,NULL,1,'default','409dff00-1527-4cb0-9f73-eb9a66e9742c','document.email_sent','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E656D61696C5F73656E74222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2265393065623630302D363033372D346363302D623962382D396534333339646433363134222C226576656E744964223A2231626530313737612D336636642D346430652D613338362D306363376661316130633333222C226576656E7454797065223A22656D61696C5F73656E74222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'a22fbf0c9c9067d3d001dc1a18f220588a78128f22fd7e3756349240b22b305e','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(20,NULL,NULL,NULL,1,'default','be67f139-24da-4cdb-aa3a-033f2911116c','signature.sent','01a22359-17f2-724b-a278-7bb665999e59','processed',0x7B226576656E74223A227369676E61747572652E73656E74222C227369676E6174757265526571756573744964223A2230316132323335392D313766322D373234622D613237382D376262363635393939653539222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C22737461747573223A2273656E74222C226E616D65223A2243686172746572207265616479222C22726563697069656E7473223A5B7B226964223A227263705F626562622D353765336535363934336333222C2266697273744E616D65223A225C75303339355C75303362625C75303361645C75303362645C7530336237222C226C6173744E616D65223A2250617061646F706F756C6F75222C22656D61696C223A22656C656E69406578616D706C652E636F6D222C2264657369676E6174696F6E223A225369676E6572222C226F72646572223A317D5D7D,'fe886e038e0d956cff832b746e2a1cd43c5a34f2d1d712bd34b47cf7fc570684','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(21,NULL,NULL,NULL,1,'default','9399ef60-80fe-4aea-bcb7-663a45c7fd13','signature.sent','01a22359-17f2-72a6-b5d0-e8b6629529db','processed',0x7B226576656E74223A227369676E61747572652E73656E74222C227369676E6174757265526571756573744964223A2230316132323335392D313766322D373261362D623564302D653862363632393532396462222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C22737461747573223A2273656E74222C226E616D65223A2243686172746572222C22726563697069656E7473223A5B7B226964223A227263705F626132662D376163663533663266616538222C2266697273744E616D65223A225C75303339355C75303362625C75303361645C75303362645C7530336237222C226C6173744E616D65223A2250617061646F706F756C6F75222C22656D61696C223A22656C656E69406578616D706C652E636F6D222C2264657369676E6174696F6E223A225369676E6572222C226F72646572223A317D5D7D,'9eec482ec278081b2400b4737e5c66c61bf46ca45371e196d4512caa10801935','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(22,NULL,NULL,NULL,1,'default','e2ed2143-c3e5-4cf8-9b5f-169562643e07','document.share_created','01a22358-9ee0-75ad-8844-f8e985542752','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335382D396565302D373561642D383834342D663865393835353432373532222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2262626538373065662D343337342D343935662D623762362D663261373534653632636363222C226576656E744964223A2233613537613134382D633234632D343232332D613833322D343832666635386331376330222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A30393A33312E3132335A227D,'613605021a403668335287b9672785f99a681bbd6b843e956cf7336f8e587d8c','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(23,NULL,NULL,NULL,1,'default','63b6dc41-9685-430c-93d7-8446b4b08096','signature.sent','01a22359-17f2-739c-b884-78d600d6e226','processed',0x7B226576656E74223A227369676E61747572652E73656E74222C227369676E6174757265526571756573744964223A2230316132323335392D313766322D373339632D623838342D373864363030643665323236222C2272656E6465724964223A2230316132323335392D313766322D373862312D626132362D616231633365383839653363222C22737461747573223A2273656E74222C226E616D65223A22436F6E7472616374206167726565642D7265616479222C22726563697069656E7473223A5B7B226964223A227263705F613434632D306162653262623665343666222C2266697273744E616D65223A225C75303339355C75303362625C75303361645C75303362645C7530336237222C226C6173744E616D65223A2250617061646F706F756C6F75222C22656D61696C223A22656C656E69406578616D706C652E636F6D222C2264657369676E6174696F6E223A225369676E6572222C226F72646572223A317D5D7D,'bfb1710e95317aee422d468874e4df9ea3d0628798819499de0a2d93917f2471','','2026-11-28 18:09:31.122914','2026-11-28 18:09:31.122914'),
(24,NULL,NULL,NULL,1,'default','fb30d9a9-7e1c-4001-b178-04b81a09d482','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2239383362396165332D393533332D346236632D623134332D326561396238353431303363222C226576656E744964223A2237633565303138392D333534362D343034382D383733622D313563626438306364656262222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30322E3930315A227D,'e3819f3dec07a490d44c29e6644291439cfba198e8038f8a34d4998659876b2e','','2026-11-28 18:10:02.930823','2026-11-28 18:10:02.930823'),
(25,NULL,NULL,NULL,1,'default','b9bdb66a-8bb4-4712-aca0-8e9211c94ed6','document.share_revoked','01a22358-9ee0-75ad-8844-f8e985542752','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F7265766F6B6564222C2272656E6465724964223A2230316132323335382D396565302D373561642D383834342D663865393835353432373532222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2262626538373065662D343337342D343935662D623762362D663261373534653632636363222C226576656E744964223A2232646131636333302D363034362D343733382D616431382D363033373130316238363134222C226576656E7454797065223A2273686172655F7265766F6B6564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30322E3933315A227D,'83b58d5939ab0e0d280664c3c27877f187e49083d7d4d111035ae601528e18f0','','2026-11-28 18:10:02.930823','2026-11-28 18:10:02.930823'),
(26,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','d928b55b-7044-4414-9807-ba6bbcd5ab88','render.succeeded','01a22359-9707-7b93-842d-6b33e02c92c2','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D376239332D383432642D366233336530326339326332222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'8bf1e75e82d8e56682cb63003c8af468a4247dec9a84e6368b67e62c6d986c39','','2026-11-28 18:10:03.655313',NULL),
(27,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','1f160451-c0be-4e33-88cd-8b1a7b80be1b','render.succeeded','01a22359-9707-7849-9474-0aacd8c0b62f','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D373834392D393437342D306161636438633062363266222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'2405b331710586428f3fa96cb23ba3c14e0696721ad8de2bcd2b7178073b7261','','2026-11-28 18:10:03.655313',NULL),
(28,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','faf4cf44-bf06-41ac-9928-49a334eb4fe2','render.succeeded','01a22359-9707-7958-8ea5-69c8f8644356','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D373935382D386561352D363963386638363434333536222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'ddd55d70b66d9ad7ccde8e95afb371298fda87d5d37c3e750d5c40ed8c76037e','','2026-11-28 18:10:03.655313',NULL),
(29,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','5417e446-fecc-451b-b750-14f6e89780bb','render.succeeded','01a22359-9707-7f7e-b111-94e03e5faeaf','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D376637652D623131312D393465303365356661656166222C2274656D706C6174654964223A2261666561643139662D373539632D346432372D386561662D623735303839656464373936222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'3e1e9d7ffbd79bf63d49fdb1fa46e720f20917ef9684dc54a26fd516904b6c1f','','2026-11-28 18:10:03.655313',NULL),
(30,'2026-11-28 18:12:03.655313',NULL,NULL,1,'eu','e2b07bf2-5f77-4f42-ada6-71de2531c8de','render.succeeded','01a22359-9707-7b55-9ae5-b9120a412eb4','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D376235352D396165352D623931323061343132656234222C2274656D706C6174654964223A2238616435333861372D306530662D346431322D626462622D356566613163646265303033222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'b64ced2ae6c228153ff02c69d50acf741cccc467c8cd1c730399fe75324802ce','','2026-11-28 18:10:03.655313',NULL),
(31,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','6d45dda2-8dd5-486c-98d7-555024f6bba4','render.succeeded','01a22359-9707-7ea4-bbb3-57d817147ebe','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D376561342D626262332D353764383137313437656265222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'be3eb24079662a7992a09d5fb6805c5406d586326b4a5781e78a0485de7f5b70','','2026-11-28 18:10:03.655313',NULL),
(32,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','3e52ed05-a10c-4548-b1f5-eb6b27c1e381','render.succeeded','01a22359-9707-73e7-a23f-838ef4fb8e46','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D373365372D613233662D383338656634666238653436222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'274f47d6ee7e5b7d16182a07127c1a7f9b32941417f765443bcec44865acb0ae','','2026-11-28 18:10:03.655313',NULL),
(33,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','97d773c9-f731-498e-ae8c-37d947573389','render.succeeded','01a22359-9707-741b-9a13-6f80ec94abec','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D373431622D396131332D366638306563393461626563222C2274656D706C6174654964223A2266313431643430622D326432382D343162612D383437352D613736313639343031356431222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'fe2608962e96aeabb545be819fad344c19d406bf78b1b164c0fedf586ee2fe3a','','2026-11-28 18:10:03.655313',NULL),
(34,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','df8ad1d3-7ddc-444b-90f0-a16b443859b5','render.succeeded','01a22359-9707-7df6-ba36-0566c43330c9','received',0x7B226576656E74223A2272656E6465722E737563636565646564222C2272656E6465724964223A2230316132323335392D393730372D376466362D626133362D303536366334333333306339222C2274656D706C6174654964223A2262343937353264322D663966322D343236362D393232352D323835633261646538306564222C22737461747573223A22737563636565646564222C226572726F724D657373616765223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A222C22636F6D706C657465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'f7fa0f0906d69a02d1578fd0cba6de0566694f85de0e82f5dd21213bcc3466ee','','2026-11-28 18:10:03.655313',NULL),
(35,NULL,NULL,NULL,1,'default','15d8607d-65c8-4e43-86b2-8633d6d18adb','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2264303464353363662D663034302D343736662D396661352D363435653235343162353163222C226576656E744964223A2239303435616134652D343730372D346663352D393830362D666464383365306161346432222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'1356e136d9f35fe2b47c043726de85484fa5b725a3d65209e5e3bfe87df72dfe','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(36,NULL,NULL,NULL,1,'default','97159bf3-a3cc-4193-bb6e-8b61590750aa','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2237663630326364662D323562632D346262662D386439392D333839613133396232653735222C226576656E744964223A2236383930653231322D363332322D343833632D613366372D303932623666643130356233222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'c8b342005ddefcc820300f09a87c89aac8fc9ca1a9a7b69a9bbceffef713be64','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(37,NULL,NULL,NULL,1,'default','cd0f45a8-85e0-4b20-ba06-5be269f72198','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2230376339643166632D323137662D343566352D616139642D333837396233636233393837222C226576656E744964223A2234333739326231332D616362332D343262332D383665652D306137336163633230626637222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'e5c8babd12f2402df733ef523dee41772daebc7efc7235c960a5f48741b657ad','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(38,NULL,NULL,NULL,1,'default','98843d95-9469-4b33-8a6d-db8831d1e5dd','document.email_sent','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E656D61696C5F73656E74222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2230376339643166632D323137662D343566352D616139642D333837396233636233393837222C226576656E744964223A2235663566626235352D323638342D343661622D383965312D366134633264363634656139222C226576656E7454797065223A22656D61696C5F73656E74222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'c978d2484c3005a6626a6c8f1e9c9b3a58328999b8c70cfbc7409649154e0e10','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(39,NULL,NULL,NULL,1,'default','3ffdc0f0-ae25-4af9-a2a5-13757471a47e','document.share_created','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E73686172655F63726561746564222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2261353165626534632D626139632D343932322D613432612D616336393633316261306137222C226576656E744964223A2262616539643732662D656564612D346537382D613666302D333737653131363337323634222C226576656E7454797065223A2273686172655F63726561746564222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'750298518bcd31bc9579e050901964dd74709ac3626d566cdb6cdc1a0e4be1c3','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(40,NULL,NULL,NULL,1,'default','438b8932-7f66-4bd7-a104-96968490bc6c','document.email_sent','01a22359-15bf-72de-a5e7-c119d502894b','processed',0x7B226576656E74223A22646F63756D656E742E656D61696C5F73656E74222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C2274656D706C6174654964223A2233366364663938362D396630392D346432632D623137362D346466393666333966616633222C2273686172654964223A2261353165626534632D626139632D343932322D613432612D616336393633316261306137222C226576656E744964223A2262366263613238392D313236312D346230652D393637362D313265376330376261636337222C226576656E7454797065223A22656D61696C5F73656E74222C226163746F724B696E64223A22706172746E6572222C22736F757263654970223A223132372E302E302E30222C22757365724167656E74223A22646A616E676F2D63726166746B69742F302E312E30222C226D65746164617461223A6E756C6C2C22637265617465644174223A22323032362D31312D32385431383A31303A30332E3635355A227D,'3fd01f71f0111840c9a435aa0e2fd919a3b4d91e19d385782e5323a9303e39e7','','2026-11-28 18:10:03.655313','2026-11-28 18:10:03.655313'),
(41,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','e4ee9c52-63db-48b2-84be-fb7f80782d77','signature.sent','01a22359-9707-70df-b2d1-357b49ea8794','received',0x7B226576656E74223A227369676E61747572652E73656E74222C227369676E6174757265526571756573744964223A2230316132323335392D393730372D373064662D623264312D333537623439656138373934222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C22737461747573223A2273656E74222C226E616D65223A2243686172746572206C6F7374222C22726563697069656E7473223A5B7B226964223A227263705F626639612D386666643431396462623033222C2266697273744E616D65223A225C75303339355C75303362625C75303361645C75303362645C7530336237222C226C6173744E616D65223A2250617061646F706F756C6F75222C22656D61696C223A22656C656E69406578616D706C652E636F6D222C2264657369676E6174696F6E223A225369676E6572222C226F72646572223A317D5D7D,'ab9eec09e65d571f9460c5abdf580243587ab1c9e014415640caa7118fcbc52c','','2026-11-28 18:10:03.655313',NULL),
(42,'2026-11-28 18:12:03.655313',NULL,NULL,1,'default','ac701da7-a149-40eb-a360-84d4ac85a231','signature.sent','01a22359-9707-7741-86af-d00098513c19','received',0x7B226576656E74223A227369676E61747572652E73656E74222C227369676E6174757265526571756573744964223A2230316132323335392D393730372D373734312D383661662D643030303938353133633139222C2272656E6465724964223A2230316132323335392D313562662D373264652D613565372D633131396435303238393462222C22737461747573223A2273656E74222C226E616D65223A2243686172746572222C22726563697069656E7473223A5B7B226964223A227263705F396535302D393237393363323632626231222C2266697273744E616D65223A225C75303339355C75303362625C75303361645C75303362645C7530336237222C226C6173744E616D65223A2250617061646F706F756C6F75222C22656D61696C223A22656C656E69406578616D706C652E636F6D222C2264657369676E6174696F6E223A225369676E6572222C226F72646572223A317D5D7D,'13eae135d7d7f35603be81df5f493eaecf62c96fe274c90894af71f37d9483be','','2026-11-28 18:10:03.655313',NULL),
(43,'2026-11-28 18:10:05.498942',NULL,NULL,0,'default','1b4e28ba-2fa1-11d2-883f-0016d3cca427','',NULL,'received',0x7B226576656E74223A2022666F726D2E7375626D6974746564222C2022666F726D4964223A202231222C202264617461223A207B226E616D65223A2022416461227D7D,'7bd06b6d3d232974d029127ee757bc4ee732e39614c2f513a677f79f435635ca','','2026-11-28 18:10:05.498942',NULL);
/*!40000 ALTER TABLE `craftkit_webhookdelivery` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_content_type`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_content_type` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `app_label` varchar(100) NOT NULL,
  `model` varchar(100) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `django_content_type_app_label_model_76bd3d3b_uniq` (`app_label`,`model`)
) ENGINE=InnoDB AUTO_INCREMENT=19 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_content_type` DISABLE KEYS */;
INSERT INTO `django_content_type` VALUES
(4,'auth','group'),
(3,'auth','permission'),
(5,'auth','user'),
(6,'contenttypes','contenttype'),
(15,'craftkit','archivedfile'),
(12,'craftkit','change'),
(13,'craftkit','engagementevent'),
(8,'craftkit','job'),
(7,'craftkit','projectstate'),
(9,'craftkit','render'),
(10,'craftkit','share'),
(14,'craftkit','signaturerecipient'),
(16,'craftkit','signaturerequest'),
(11,'craftkit','webhookdelivery'),
(17,'shop','line'),
(1,'shop','order'),
(2,'shop','rushorder'),
(18,'shop','seat');
/*!40000 ALTER TABLE `django_content_type` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_migrations`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_migrations` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `app` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `applied` datetime(6) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=18 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_migrations` DISABLE KEYS */;
INSERT INTO `django_migrations` VALUES
(1,'contenttypes','0001_initial','2026-11-28 18:08:48.163482'),
(2,'contenttypes','0002_remove_content_type_name','2026-11-28 18:08:48.403625'),
(3,'auth','0001_initial','2026-11-28 18:08:49.896809'),
(4,'auth','0002_alter_permission_name_max_length','2026-11-28 18:08:50.034005'),
(5,'auth','0003_alter_user_email_max_length','2026-11-28 18:08:50.100233'),
(6,'auth','0004_alter_user_username_opts','2026-11-28 18:08:50.110245'),
(7,'auth','0005_alter_user_last_login_null','2026-11-28 18:08:50.183845'),
(8,'auth','0006_require_contenttypes_0002','2026-11-28 18:08:50.196115'),
(9,'auth','0007_alter_validators_add_error_messages','2026-11-28 18:08:50.226421'),
(10,'auth','0008_alter_user_username_max_length','2026-11-28 18:08:50.286286'),
(11,'auth','0009_alter_user_last_name_max_length','2026-11-28 18:08:50.330612'),
(12,'auth','0010_alter_group_name_max_length','2026-11-28 18:08:50.424003'),
(13,'auth','0011_update_proxy_permissions','2026-11-28 18:08:50.455169'),
(14,'auth','0012_alter_user_first_name_max_length','2026-11-28 18:08:50.518008'),
(15,'craftkit','0001_initial','2026-11-28 18:08:53.306750'),
(16,'craftkit','0002_desk','2026-11-28 18:08:57.591842'),
(17,'craftkit','0003_signatures','2026-11-28 18:08:59.726169');
/*!40000 ALTER TABLE `django_migrations` ENABLE KEYS */;
DROP TABLE IF EXISTS `shop_line`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `shop_line` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `order_id` bigint(20) NOT NULL,
  `text` varchar(80) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `shop_line_order_id_6871eda7_fk_shop_order_id` (`order_id`),
  CONSTRAINT `shop_line_order_id_6871eda7_fk_shop_order_id` FOREIGN KEY (`order_id`) REFERENCES `shop_order` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `shop_line` DISABLE KEYS */;
/*!40000 ALTER TABLE `shop_line` ENABLE KEYS */;
DROP TABLE IF EXISTS `shop_order`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `shop_order` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `number` varchar(40) NOT NULL,
  `total` decimal(10,2) NOT NULL,
  `confirmed` tinyint(1) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=13 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `shop_order` DISABLE KEYS */;
INSERT INTO `shop_order` VALUES
(1,'about-ready',12.50,0),
(2,'declared-ready',12.50,1),
(3,'shipped-ready',12.50,0),
(4,'agreed-ready',12.50,0),
(5,'about-lost',12.50,0),
(6,'declared-lost',12.50,1),
(7,'shipped-lost',12.50,0),
(8,'agreed-lost',12.50,0),
(9,'about-pending',12.50,0),
(10,'declared-pending',12.50,1),
(11,'shipped-pending',12.50,0),
(12,'agreed-pending',12.50,0);
/*!40000 ALTER TABLE `shop_order` ENABLE KEYS */;
DROP TABLE IF EXISTS `shop_seat`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `shop_seat` (
  `row` int(11) NOT NULL,
  `number` int(11) NOT NULL,
  PRIMARY KEY (`row`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `shop_seat` DISABLE KEYS */;
/*!40000 ALTER TABLE `shop_seat` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

