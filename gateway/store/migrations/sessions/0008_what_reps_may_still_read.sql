-- Until where reps who left may read, and which message is the latest: written down in the session from now on, found in the transcript for those
-- that are here already.
UPDATE sessions SET state = json_set(state,
    '$.last_message', (SELECT coalesce(max(number), 0) FROM entries WHERE session_id = sessions.id AND kind = 'message'),
    '$.left', json((SELECT coalesce(json_group_object(login, number), '{}') FROM
        (SELECT json_extract(body, '$.details.participant.id') AS login, max(number) AS number FROM entries
         WHERE session_id = sessions.id AND kind = 'participant_left' GROUP BY 1))));
