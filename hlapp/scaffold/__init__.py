"""`hlapp new`: makes a project of one's own. `manage.py new`: adds a job, page, resource or handler to an app.

The files are templates of `string.Template` in `files/`, with `.txt` behind their names, so that no tool takes them for
code of ours. `$$` is a dollar sign.
"""
