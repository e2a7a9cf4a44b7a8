BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Compare-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        # A shell that opens a file, starts a child and grows between two checkpoints.
        $id = Start-TestProgram "bash -c 'until [ -e $folder/go ]; do read -t 0.05 < <(sleep 10); done 2>/dev/null; exec 9</etc/passwd; x=`$(printf %4000000d 1); sleep 1000 & touch $folder/done; while :; do read -t 1000 <> <(sleep 1000); done'"
        Wait-Until { Get-ChildId $id } 'the shell runs'
        $before = Invoke-CracCheckpoint -Id $id -ImageName before -LeaveRunning
        $null = New-Item "$folder/go"
        Wait-Until { Test-Path "$folder/done" } 'the shell has changed'
        $after = Invoke-CracCheckpoint -Id $id -ImageName after -LeaveRunning
    }

    It 'tells of processes, descriptors, areas and pages' {
        $differences = @(Compare-CracImage $before $after)
        $differences | Should -BeOfType PSCrac.CracImageDifference
        $new = $after.ProcessIds | Where-Object { $_ -notin $before.ProcessIds }
        $new | Should -Not -BeNullOrEmpty
        ($differences | Where-Object { $_.Kind -eq 'Process' -and $_.Change -eq 'Added' }).ProcessId | Sort-Object | Should -Be ($new | Sort-Object)
        $file = $differences | Where-Object { $_.Kind -eq 'File' -and $_.Change -eq 'Added' -and $_.ProcessId -eq $id -and $_.Subject -eq 9 }
        $file.After | Should -Match '/etc/passwd'
        $file.Before | Should -BeNullOrEmpty
        ($differences | Where-Object { $_.Kind -eq 'MemoryArea' -and $_.ProcessId -eq $id } | Measure-Object Bytes -Sum).Sum | Should -BeGreaterThan 3000000
        ($differences | Where-Object { $_.Kind -eq 'Pages' -and $_.ProcessId -eq $id }).Bytes | Should -BeGreaterThan 4096
        $differences[-1].Kind | Should -Be 'AllPages'
        $differences[-1].Bytes | Should -Be ($differences | Where-Object Kind -EQ Pages | Measure-Object Bytes -Sum).Sum
    }

    It 'tells the other way round what went' {
        $gone = @(Compare-CracImage $after $before | Where-Object { $_.Kind -eq 'File' -and $_.Change -eq 'Removed' -and $_.ProcessId -eq $id -and $_.Subject -eq 9 })
        $gone[0].Before | Should -Match '/etc/passwd'
        $gone[0].After | Should -BeNullOrEmpty
    }

    It 'writes nothing for an image and itself' {
        Compare-CracImage $before $before | Should -BeNullOrEmpty
    }

    It 'leaves pages out with -NoPages' {
        @(Compare-CracImage $before $after -NoPages).Kind | Should -Not -Contain 'Pages'
        @(Compare-CracImage $before $after -NoPages).Kind | Should -Contain 'File'
    }

    It 'takes objects, paths and names, and the later ones from the pipeline' {
        $expected = @(Compare-CracImage $before $after).Count
        @(Compare-CracImage before after).Count | Should -Be $expected
        @(Compare-CracImage $before.Path $after.Path).Count | Should -Be $expected
        @(Compare-CracImage (Get-Item $before.Path) (Get-Item $after.Path)).Count | Should -Be $expected
        @($before, $after | Compare-CracImage $before).Count | Should -Be $expected
        @('before', 'after' | Compare-CracImage before).Count | Should -Be $expected
        @(Get-CracImage after | Compare-CracImage before).Count | Should -Be $expected
    }

    It 'names what is no image, and goes on' {
        $differences = @("$folder/none", 'after' | Compare-CracImage before -ErrorAction SilentlyContinue -ErrorVariable errors)
        $differences.Count | Should -BeGreaterThan 0
        $errors.FullyQualifiedErrorId | Should -Be 'NotAnImage,PSCrac.Commands.CompareCracImageCommand'
        $errors[0].TargetObject | Should -Be "$folder/none"
        { Compare-CracImage nothing after -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
        { Compare-CracImage before $null } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
    }

    It 'streams: who wants one difference does not wait for all' {
        @(Compare-CracImage $before $after | Select-Object -First 1).Count | Should -Be 1
    }

    It 'shows as a table of 80 columns' {
        $lines = (Compare-CracImage $before $after | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Match '^Kind +Change +ProcessId Subject +Bytes, Before, After'
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}
