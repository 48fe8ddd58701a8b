"""Agents that talk (voice, conversations, agent studio), their calls, and the knowledge they use."""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single
from integrations.sync.resources.since_filters import SELDOM, dated
from integrations.sync.resources.windows import milliseconds

VOICE_AGENTS = Resource(
    name="voice_agents", operation="voice-ai.get-agents", single=Single("voice-ai.get-agent", "agentId")
)
VOICE_CALL_LOGS = Resource(
    name="voice_call_logs",
    operation="voice-ai.get-call-logs",
    **dated("startDate", "endDate", milliseconds, SELDOM),
    single=Single("voice-ai.getCallLog", "callId"),
    recheck=frozenset({"VoiceAiCallEnd"}),
)
CONVERSATION_AGENTS = Resource(
    name="conversation_agents",
    operation="conversation-ai.search-agent",
    single=Single("conversation-ai.get-agent", "agentId"),
)
STUDIO_AGENTS = Resource(
    name="studio_agents",
    operation="agent-studio.getAgents",
    single=Single("agent-studio.getAgentById", "agentId", "agent"),
    ids=("agentId",),
)
KNOWLEDGE_BASES = Resource(
    name="knowledge_bases",
    operation="knowledge-base.listAllKnowledgeBasesPaginated",
    single=Single("knowledge-base.getKnowledgeBaseById", "knowledgeBaseId", "data"),
    recheck=frozenset({"KnowledgeBaseCreate", "KnowledgeBaseUpdate", "KnowledgeBaseDelete"}),
)
KNOWLEDGE_FAQS = Resource(
    name="knowledge_faqs",
    operation="knowledge-base.list",
    every=SOMETIMES,
    below=Parent(KNOWLEDGE_BASES, "knowledgeBaseId"),
    recheck=frozenset({"KnowledgeBaseFaqChange"}),
)
KNOWLEDGE_PAGES = Resource(
    name="knowledge_pages",
    operation="knowledge-base.getAllWebsiteUrlsDataByKnowledgeBase",
    every=SOMETIMES,
    below=Parent(KNOWLEDGE_BASES, "knowledgeBaseId"),
    recheck=frozenset({"KnowledgeBaseTrainedUrlChange"}),
)

ALL = (
    VOICE_AGENTS,
    VOICE_CALL_LOGS,
    CONVERSATION_AGENTS,
    STUDIO_AGENTS,
    KNOWLEDGE_BASES,
    KNOWLEDGE_FAQS,
    KNOWLEDGE_PAGES,
)
