"""Blogs with posts, authors and categories; funnels with pages and redirects; media; brand boards."""

from __future__ import annotations

from typing import Any

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single

_ONLY_V3: dict[str, Any] = {"api": "v3", "elsewhere": {"v2": None}}

BLOGS = Resource(name="blogs", operation="blogs.get-blogs")
BLOG_POSTS = Resource(
    name="blog_posts", operation="blogs.get-blog-post", every=SOMETIMES, below=Parent(BLOGS, "blogId")
)
BLOG_AUTHORS = Resource(name="blog_authors", operation="blogs.get-all-blog-authors-by-location")
BLOG_CATEGORIES = Resource(name="blog_categories", operation="blogs.get-all-categories-by-location")
FUNNELS = Resource(name="funnels", operation="funnels.getFunnels")
FUNNEL_PAGES = Resource(
    name="funnel_pages", operation="funnels.getPagesByFunnelId", every=SOMETIMES, below=Parent(FUNNELS, "funnelId")
)
REDIRECTS = Resource(name="redirects", operation="funnels.fetch-redirects-list")
MEDIA = Resource(
    name="media",
    operation="medias.fetch-media-content",
    every=SOMETIMES,
    params={"sortBy": "createdAt", "sortOrder": "asc", "fetchAll": "true"},
    argument_sets=({"type": "folder"}, {"type": "file"}),
)
BRAND_BOARDS = Resource(
    name="brand_boards",
    operation="brand-boards.getBrandBoardsByLocation",
    single=Single("brand-boards.getBrandBoardById", "id"),
)
BRAND_VOICES = Resource(
    name="brand_voices",
    operation="brand-boards.list-brand-voices",
    single=Single("brand-boards.get-brand-voice", "brandVoiceId"),
    **_ONLY_V3,
)

ALL = (
    BLOGS,
    BLOG_POSTS,
    BLOG_AUTHORS,
    BLOG_CATEGORIES,
    FUNNELS,
    FUNNEL_PAGES,
    REDIRECTS,
    MEDIA,
    BRAND_BOARDS,
    BRAND_VOICES,
)
