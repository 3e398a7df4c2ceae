-- Rows in bulk, an index, a join, groups and an update.
create table item(id integer primary key, name text, value real, kind integer);
begin;
insert into item
  with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
  select i, printf('item-%06d', i * 7919 % 60000), i * 0.5, i % 97 from n;
commit;
create index item_kind on item(kind, name);
select kind, count(*), sum(value) from item group by kind order by 3 desc limit 3;
select count(*) from item a join item b on b.id = a.id * 31 % 60000 + 1 where b.name > a.name;
update item set value = value + 1 where kind % 3 = 0;
select sum(value), max(name) from item where name like '%9%' and kind between 10 and 60;
delete from item where id % 5 = 0;
select count(*), total(value) from item;
