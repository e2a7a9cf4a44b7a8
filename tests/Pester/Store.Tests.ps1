# Images in a layout: exported, listed, restored and removed by name, on a real process that is restored and checkpointed again.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "images in a store$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $numbers = "$folder/numbers"
        $id = Start-Count $numbers
        $null = Invoke-CracCheckpoint -Id $id -ImageName app
        $store = "oci:$folder/store"
    }

    BeforeEach {
        function Stop-Counter {
            bash -c "kill -9 -$id"
            Wait-Until { -not (Test-Path "/proc/$id") } 'the program has ended'
        }

        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    It 'exports by name, and gives the image in the store' {
        $stored = Export-CracImage app -DestinationPath "${store}:v1"
        $stored | Should -BeOfType PSCrac.CracStoredImage
        $stored.Tag, $stored.Path, $stored.Name, $stored.Base | Should -Be 'v1', "${store}:v1", 'app', $null
        $stored.RootProcessId | Should -Be $id
        $stored.Memory | Should -Be (Get-CracImage app).Memory
        (stat -c %a "$folder/store") | Should -Be '700'
    }

    It 'restores from the store, and stores what is checkpointed then as what changed, with no base named' {
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess "${store}:v1"
        $restored.Id, $restored.ImagePath | Should -Be $id, "${store}:v1"
        Wait-Count $numbers ($before + 3)
        (Get-CracProcess).Where({ $_.Id -eq $id }).ImagePath | Should -Be "${store}:v1"
        $second = Invoke-CracCheckpoint -Id $id -ImageName app2 | Export-CracImage -DestinationPath "${store}:v2"
        $second.Base | Should -Be 'v1'
        $second.StoredSize | Should -BeLessThan ($second.Memory / 5)
    }

    It 'lists the images of the store' {
        $listed = Get-CracImage $store
        $listed.Tag | Should -Be 'v1', 'v2'
        $listed.Base | Should -Be $null, 'v1'
        ($listed | Out-String) | Should -Match 'v2 +app2 .* v1 '
        (Get-CracImage "${store}:v2").Digest | Should -Be $listed[1].Digest
    }

    It 'imports what it was, full or as what changed' {
        (Import-CracImage "${store}:v1", "${store}:v2").Name | Should -Be 'v1', 'v2'
        foreach ($pair in @{ app = 'v1'; app2 = 'v2' }.GetEnumerator()) {
            foreach ($file in Get-ChildItem "$folder/images/$($pair.Key)" -Exclude restore*.log, stats-restore) {
                (Get-FileHash $file).Hash | Should -Be (Get-FileHash "$folder/images/$($pair.Value)/$($file.Name)").Hash -Because $file.Name
            }
        }
    }

    It 'restores what is stored as a change when the tag of its base is gone, twice, the second time from the cache' {
        Remove-CracImage "${store}:v1"
        (Get-CracImage $store).Tag | Should -Be 'v2'
        (Get-CracImage $store).Base | Should -Match '^sha256:'
        foreach ($time in 1, 2) {
            $before = @(Get-Content $numbers).Count
            (Restore-CracProcess "${store}:v2").Id | Should -Be $id
            Wait-Count $numbers ($before + 3)
            Stop-Counter
        }
        @(Get-ChildItem "$env:PSCRAC_STATE_ROOT/cache").Name | Should -Contain (Get-CracImage "${store}:v2").Digest.Substring(7)
    }

    It 'takes such a name wherever an image is read' {
        Compare-CracImage app2 "${store}:v2" | Should -BeNullOrEmpty
        Get-CracImage "${store}:v2" | Test-CracImage -Quiet | Should -BeTrue
        (Get-CracImageContent "${store}:v2" -Type inventory).Count | Should -BeGreaterThan 0
        (Export-CracImage "${store}:v2" $work).Name | Should -Be 'app2.tar.zst'
    }

    It 'copies an image to another store with the same digest, tagged by the pipeline' {
        $copied = Get-CracImage $store | Export-CracImage -DestinationPath { "oci:$work/other:copy-$($_.Tag)" }
        $copied.Tag, $copied.Digest | Should -Be 'copy-v2', (Get-CracImage "${store}:v2").Digest
        Export-CracImage "${store}:v2" -DestinationPath oci: | ForEach-Object Path | Should -Be "oci:$env:PSCRAC_STATE_ROOT/store:v2"
        (Import-CracImage oci:v2 -ImagePath "$work/there").RootProcessId | Should -Be $id
    }

    It 'names the base, in full or by its tag, and only in the same store' {
        (Export-CracImage app2 -DestinationPath "${store}:v3" -Base v2).Base | Should -Match '^sha256:|^v2$'
        (Export-CracImage app2 -DestinationPath "${store}:v4" -Base "${store}:v2").StoredSize | Should -BeLessThan 200KB
        { Export-CracImage app2 -DestinationPath "oci:$work/other:v5" -Base "${store}:v2" -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
        { Export-CracImage app2 -DestinationPath "$work/a.tar" -Base v2 -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
    }

    It 'cleans a store of what no tag needs' {
        Set-Content "$folder/store/blobs/sha256/$('0' * 64)" 'nobody''s'
        Optimize-CracImageStore $store -WhatIf
        "$folder/store/blobs/sha256/$('0' * 64)" | Should -Exist
        $done = Optimize-CracImageStore $store
        $done.Path, $done.RemovedCount | Should -Be $store, 1
        $done.FreedSize | Should -BeGreaterThan 5
        (Optimize-CracImageStore "$folder/store").RemovedCount | Should -Be 0
        (Import-CracImage "${store}:v2" -ImagePath "$work/still").RootProcessId | Should -Be $id
    }

    It 'is whole after a session was killed in the middle of an <What>' -ForEach @(
        @{ What = 'export'; Command = { "Export-CracImage big -DestinationPath 'oci:$work/store:new'" }; Grows = { "$work/store" } }
        @{ What = 'import'; Command = { "Import-CracImage 'oci:$work/store:v1' -ImagePath '$work/to/big'" }; Grows = { "$work/to" } }
    ) {
        if (-not (Get-CracImage big -ErrorAction Ignore)) {
            $program = "import os, time; big = os.urandom(400 << 20); open('$folder/ready', 'w').close(); time.sleep(1000000)"
            $big = Start-TestProgram "$(Find-Program python3) -c `"$program`""
            Wait-Until { Test-Path "$folder/ready" } 'the program is ready'
            $null = Invoke-CracCheckpoint -Id $big -ImageName big -NoSync
        }
        $null = New-Item -ItemType Directory "$work/to"
        if ($What -eq 'import') { $null = Export-CracImage big -DestinationPath "oci:$work/store:v1" }
        else { $null = Export-CracImage app -DestinationPath "oci:$work/store:v1" }
        $before = (Get-CracImage "oci:$work/store").Digest
        $size = { [long]((Get-ChildItem -Force -Recurse -File (& $Grows) | Measure-Object Length -Sum).Sum) }
        $least = (& $size) + 8MB

        $words = @(Get-PwshCommand) + '-NoProfile', '-NonInteractive', '-Command', "Import-Module '$((Get-Module PSCrac).Path)'; $(& $Command)"
        $session = [Diagnostics.Process]::Start($words[0], [string[]] $words[1..($words.Count - 1)])
        Wait-Until { (& $size) -ge $least -or $session.HasExited } 'it is under way'
        $session.HasExited | Should -BeFalse -Because 'it is to be killed in the middle'
        $session.Kill()
        $session.WaitForExit()

        (Get-CracImage "oci:$work/store").Digest | Should -Be $before
        Import-CracImage "oci:$work/store:v1" -ImagePath "$work/whole" | Should -HaveCount 1
        "$work/to/big" | Should -Not -Exist
        # The next one removes what is left, and comes to its end.
        & ([scriptblock]::Create((& $Command))) | Should -HaveCount 1
        if ($What -eq 'import') { Get-ChildItem -Force "$work/to" | Should -HaveCount 1 }
        else { (Optimize-CracImageStore "oci:$work/store").RemovedCount | Should -Be 0 }
    }

    It 'imports nothing where the disk is too small' {
        $small = (New-Item -ItemType Directory "$work/small").FullName
        mount -t tmpfs -o size=64k tmpfs $small
        try {
            $failure = { Import-CracImage "${store}:v2" -ImagePath "$small/app" -ErrorAction Stop } | Should -Throw -ErrorId 'NoSpace,*' -PassThru
            $failure.ErrorDetails.RecommendedAction | Should -Match 'space'
            Get-ChildItem -Force $small | Should -BeNullOrEmpty
        }
        finally {
            umount $small
        }
    }

    It 'does not restore from a store that others may write to, unless told otherwise' {
        $null = Export-CracImage app -DestinationPath "oci:$work/open:v1"
        chmod 777 "$work/open"
        $failure = { Restore-CracProcess "oci:$work/open:v1" -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*' -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match '-RequireSignature'
        (Import-CracImage "oci:$work/open:v1" -ImagePath "$work/app").RootProcessId | Should -Be $id
    }

    It 'removes tags by the pipeline, and does nothing with -WhatIf' {
        Remove-CracImage "${store}:v4" -WhatIf
        Get-CracImage $store | Where-Object Tag -In v3, v4 | Remove-CracImage
        (Get-CracImage $store).Tag | Should -Be 'v2'
        Export-CracImage app -DestinationPath "${store}:none" -WhatIf
        Import-CracImage "${store}:v2" -ImagePath "$work/none" -WhatIf
        "$work/none" | Should -Not -Exist
        (Get-CracImage $store).Tag | Should -Be 'v2'
    }

    It 'says what is wrong with <Line>' -ForEach @(
        @{ Line = 'Restore-CracProcess "${store}:none"'; Id = 'NotAnImage'; Says = 'Get-CracImage' }
        @{ Line = 'Import-CracImage $store'; Id = 'OptionRefused'; Says = 'no tag' }
        @{ Line = 'Get-CracImage oci:/nowhere/store'; Id = 'NotAnImage'; Says = 'Export-CracImage' }
        @{ Line = 'Get-CracImage "${store}:v*"'; Id = 'OptionRefused'; Says = 'wildcards' }
        @{ Line = 'Import-CracImage oci:/a:b/c'; Id = 'OptionRefused'; Says = 'colon' }
        @{ Line = 'Export-CracImage app -DestinationPath "${store}:v2"'; Id = 'ImageExists'; Says = '-Force' }
        @{ Line = 'Export-CracImage app -DestinationPath "${store}:x" -Compression None'; Id = 'OptionRefused'; Says = '-Compression' }
        @{ Line = 'Export-CracImage "${store}:v2" -DestinationPath "${store}:x" -Base v2'; Id = 'OptionRefused'; Says = '-Base' }
        @{ Line = 'Protect-CracImage "${store}:v2" -SigningKey key'; Id = 'OptionRefused'; Says = 'Import-CracImage' }
        @{ Line = 'Remove-CracImage $store'; Id = 'OptionRefused'; Says = 'no tag' }
        @{ Line = 'Remove-CracImage "${store}:v2" -KeepLast 1'; Id = 'OptionRefused'; Says = 'Where-Object' }
        @{ Line = 'Optimize-CracImageStore oci://registry.example/app'; Id = 'OptionRefused'; Says = 'administrator' }
        @{ Line = 'Optimize-CracImageStore $work'; Id = 'NotAnImage'; Says = 'layout' }
    ) {
        $failure = { & ([scriptblock]::Create("$Line -ErrorAction Stop")) } | Should -Throw -ErrorId "$Id,*" -PassThru
        "$failure $($failure.ErrorDetails.RecommendedAction)" | Should -Match ([regex]::Escape($Says))
    }

    It 'completes <Word> with <Expected>' -ForEach @(
        @{ Word = 'oci:'; Expected = 'oci:v2' }
        @{ Word = 'oci:$folder/store:'; Expected = 'oci:$folder/store:v2' }
        @{ Word = 'oci:$folder/st'; Expected = 'oci:$folder/store' }
        @{ Word = 'oci:$folder/store'; Expected = 'oci:$folder/store:v2' }
    ) {
        foreach ($start in 'Restore-CracProcess ', 'Import-CracImage ', 'Export-CracImage app -DestinationPath ', 'Get-CracImage ') {
            $found = (TabExpansion2 ($start + $ExecutionContext.InvokeCommand.ExpandString($Word))).CompletionMatches.CompletionText.Trim("'")
            $found | Should -Contain $ExecutionContext.InvokeCommand.ExpandString($Expected) -Because $start
        }
    }
}
